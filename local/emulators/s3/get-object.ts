import { pipeline } from 'node:stream/promises';
import type { Bucket } from './bucket.ts';
import { parseRange } from './byte-range.ts';
import type { S3Call } from './s3-call.ts';
import { noSuchKey, preconditionFailed, S3Error } from './s3-error.ts';
import type { StoredObject } from './stored-object.ts';

/** `GetObject` */
export async function getObject(call: S3Call, bucket: Bucket): Promise<void> {
  const { object, file } = await bucket.open(call.key);
  try {
    const { status, headers, start, end } = answerHead(call, object);
    call.response.writeHead(status, headers);
    if (object.size === 0) call.response.end();
    else await pipeline(file.createReadStream({ start, end, autoClose: false }), call.response);
  } finally {
    await file.close();
  }
}

/** `HeadObject` */
export function headObject(call: S3Call, bucket: Bucket): void {
  const object = bucket.find(call.key);
  if (object === undefined) throw noSuchKey();
  const { status, headers } = answerHead(call, object);
  call.response.writeHead(status, headers).end();
}

function answerHead(call: S3Call, object: StoredObject) {
  checkConditions(call, object);
  const range = parseRange(call.headers.range, object.size);
  if (range === 'unsatisfiable') {
    const headers = { 'content-range': `bytes */${object.size}` };
    throw new S3Error(416, 'InvalidRange', 'The requested range is not satisfiable', headers);
  }
  const { start, end } = range ?? { start: 0, end: object.size - 1 };
  const headers = {
    'content-type': 'binary/octet-stream',
    ...object.headers,
    ...overridden(call.query),
    ...validators(object),
    'accept-ranges': 'bytes',
    'content-length': end - start + 1,
    ...(range !== undefined && { 'content-range': `bytes ${start}-${end}/${object.size}` }),
  };
  return { status: range === undefined ? 200 : 206, headers, start, end };
}

function validators(object: StoredObject): Record<string, string> {
  return { etag: `"${object.etag}"`, 'last-modified': new Date(object.lastModified).toUTCString() };
}

function checkConditions({ headers }: S3Call, object: StoredObject): void {
  if (headers['if-match'] !== undefined && !matches(headers['if-match'], object)) throw preconditionFailed();
  if (headers['if-none-match'] !== undefined && matches(headers['if-none-match'], object)) {
    throw new S3Error(304, 'NotModified', 'Not Modified', validators(object));
  }
}

function matches(condition: string, object: StoredObject): boolean {
  const tags = condition.split(',').map((tag) => tag.trim().replace(/^W\//, '').replaceAll('"', ''));
  return tags.includes('*') || tags.includes(object.etag);
}

/** A presigned URL may say how the answer is to be presented: `response-content-type` and its like. */
function overridden(query: URLSearchParams): Record<string, string> {
  const prefix = 'response-';
  return Object.fromEntries(
    [...query].filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]),
  );
}
