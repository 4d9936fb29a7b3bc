import type { IncomingHttpHeaders } from 'node:http';
import { AwsChunkedDecoder } from './aws-chunked.ts';
import type { Bucket, ReceivedBody } from './bucket.ts';
import type { S3Call } from './s3-call.ts';
import { noSuchKey, preconditionFailed, S3Error } from './s3-error.ts';
import type { StoredObject } from './stored-object.ts';

const keptHeaders = ['content-type', 'cache-control', 'content-disposition', 'content-language', 'expires'];
const longestKeyBytes = 1024;

/** `PutObject`: streams the body to disk, then commits it if the request's conditions hold at that moment. */
export async function putObject({ key, headers, request, response }: S3Call, bucket: Bucket): Promise<void> {
  if (Buffer.byteLength(key) > longestKeyBytes) throw new S3Error(400, 'KeyTooLongError', 'Your key is too long');
  if (headers['x-amz-copy-source'] !== undefined) throw new S3Error(501, 'NotImplemented', 'Copying is not emulated');
  const decoder = isAwsChunked(headers) ? new AwsChunkedDecoder() : undefined;
  const body = await bucket.receive(request, decoder);
  try {
    checkDigests(body, headers, decoder?.trailers);
    const object = describe(key, body, headers);
    await bucket.put(object, (present) => checkConditions(headers, present));
  } catch (error) {
    await bucket.drop(body);
    throw error;
  }
  response.writeHead(200, { etag: `"${body.md5}"`, 'content-length': 0 }).end();
}

function isAwsChunked(headers: IncomingHttpHeaders): boolean {
  return (
    /aws-chunked/.test(headers['content-encoding'] ?? '') || /^STREAMING-/.test(text(headers['x-amz-content-sha256']))
  );
}

function describe(key: string, body: ReceivedBody, headers: IncomingHttpHeaders): StoredObject {
  const kept = Object.entries(headers)
    .filter(([name]) => keptHeaders.includes(name) || name.startsWith('x-amz-meta-'))
    .map(([name, value]) => [name, text(value)] as const);
  const encoding = text(headers['content-encoding'])
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '' && part !== 'aws-chunked');
  return {
    key,
    bodyFile: body.bodyFile,
    size: body.size,
    etag: body.md5,
    lastModified: Date.now(),
    headers: Object.fromEntries([...kept, ...(encoding.length > 0 ? [['content-encoding', encoding.join(',')]] : [])]),
  };
}

function checkDigests(body: ReceivedBody, headers: IncomingHttpHeaders, trailers?: ReadonlyMap<string, string>): void {
  const md5 = Buffer.from(body.md5, 'hex').toString('base64');
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(body.crc32);
  const given = trailers?.get('x-amz-checksum-crc32') ?? headers['x-amz-checksum-crc32'];
  if (given !== undefined && given !== crc.toString('base64')) {
    throw new S3Error(400, 'BadDigest', 'The CRC32 you specified did not match the calculated checksum.');
  }
  if (headers['content-md5'] !== undefined && headers['content-md5'] !== md5) {
    throw new S3Error(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.');
  }
}

function checkConditions(headers: IncomingHttpHeaders, present: StoredObject | undefined): void {
  if (headers['if-none-match'] === '*' && present !== undefined) throw preconditionFailed();
  const expected = headers['if-match'];
  if (expected === undefined) return;
  if (present === undefined) throw noSuchKey();
  if (expected !== '*' && expected.replaceAll('"', '') !== present.etag) throw preconditionFailed();
}

function text(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}
