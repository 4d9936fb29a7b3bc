/** The S3 API, path style: finds the operation from method, path and query, and answers errors as S3 does. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ResponseLost } from '../faults/with-faults.ts';
import { readBody } from '../protocol/request-body.ts';
import type { RequestCounts } from '../protocol/request-counts.ts';
import type { BucketStore } from './bucket-store.ts';
import { getObject, headObject } from './get-object.ts';
import { listObjects } from './list-objects.ts';
import { checkExpiry } from './presigned.ts';
import { putObject } from './put-object.ts';
import { operationOf, parseCall, type S3Call } from './s3-call.ts';
import { S3Error } from './s3-error.ts';
import { formatXml, readElements } from './xml.ts';

/** Every S3 call of this process passes through the returned function. Signatures are not checked. */
export function createS3Handler(store: BucketStore): (call: S3Call) => Promise<void> {
  return async (call) => {
    if (call.method === 'OPTIONS') return sendEmpty(call, 204);
    checkExpiry(call.query, Date.now());
    if (call.bucket === '') return listBuckets(call, store);
    return call.key === '' ? onBucket(call, store) : onObject(call, store);
  };
}

/** Answers one request: by the handler, or, when that throws, with the error. */
export async function answerS3(
  handle: (call: S3Call) => Promise<void>,
  request: IncomingMessage,
  response: ServerResponse,
  counts: RequestCounts,
): Promise<void> {
  response.setHeader('x-amz-request-id', randomUUID());
  allowBrowsers(request, response);
  try {
    await handle(parseCall(request, response));
  } catch (error) {
    sendError(request, response, error);
  } finally {
    const bytes = (length: unknown): number => Number(length ?? 0);
    const { headers } = request;
    counts.add(operationOf(request), bytes(headers['content-length']), bytes(response.getHeader('content-length')));
    // An unread body would be taken for the next request of this connection.
    request.resume();
  }
}

async function onBucket(call: S3Call, store: BucketStore): Promise<void> {
  const { method, bucket: name, query, response } = call;
  if (method === 'PUT' && query.size === 0) {
    await store.create(name);
    response.setHeader('location', `/${name}`);
    return sendEmpty(call, 200);
  }
  const bucket = await store.find(name);
  if (method === 'HEAD') return sendEmpty(call, 200);
  if (method === 'GET' && query.get('list-type') === '2') return sendXml(response, 200, listObjects(call, bucket));
  if (method === 'POST' && query.has('delete')) {
    const body = (await readBody(call.request)).toString('utf8');
    const keys = readElements(body, 'Key');
    await Promise.all(keys.map((key) => bucket.delete(key)));
    const isQuiet = readElements(body, 'Quiet')[0] === 'true';
    return sendXml(response, 200, formatXml('DeleteResult', { Deleted: isQuiet ? [] : keys.map((Key) => ({ Key })) }));
  }
  throw notImplemented(call);
}

async function onObject(call: S3Call, store: BucketStore): Promise<void> {
  const bucket = await store.find(call.bucket);
  const { method, query } = call;
  if (['uploads', 'uploadId', 'acl', 'tagging', 'attributes'].some((name) => query.has(name))) {
    throw notImplemented(call);
  }
  if (method === 'PUT') return putObject(call, bucket);
  if (method === 'GET') return getObject(call, bucket);
  if (method === 'HEAD') return headObject(call, bucket);
  if (method === 'DELETE') {
    await bucket.delete(call.key);
    return sendEmpty(call, 204);
  }
  throw notImplemented(call);
}

function listBuckets({ response }: S3Call, store: BucketStore): void {
  const buckets = store.names().map((Name) => ({ Name, CreationDate: new Date(0).toISOString() }));
  sendXml(response, 200, formatXml('ListAllMyBucketsResult', { Buckets: { Bucket: buckets } }));
}

function notImplemented({ method, query }: S3Call): S3Error {
  return new S3Error(501, 'NotImplemented', `Not emulated: ${method} ${[...query.keys()].join(' ')}`);
}

/** Presigned URLs are made for browsers too. */
function allowBrowsers(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.origin === undefined) return;
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-allow-methods', 'GET, HEAD, PUT');
  response.setHeader('access-control-allow-headers', request.headers['access-control-request-headers'] ?? '*');
  response.setHeader('access-control-expose-headers', 'ETag');
}

function sendEmpty({ response }: S3Call, statusCode: number): void {
  response.writeHead(statusCode, statusCode === 204 ? {} : { 'content-length': 0 }).end();
}

function sendXml(response: ServerResponse, statusCode: number, xml: string): void {
  const headers = { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(xml) };
  response.writeHead(statusCode, headers).end(xml);
}

function sendError(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (error instanceof ResponseLost || response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const known = error instanceof S3Error ? error : unexpected(error);
  for (const [name, value] of Object.entries(known.headers)) response.setHeader(name, value);
  if (request.method === 'HEAD' || known.statusCode === 304) {
    response.writeHead(known.statusCode).end();
    return;
  }
  const resource = request.url?.split('?', 1)[0] ?? '/';
  sendXml(
    response,
    known.statusCode,
    formatXml('Error', { Code: known.code, Message: known.message, Resource: resource }),
  );
}

function unexpected(error: unknown): S3Error {
  process.stderr.write(`S3: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return new S3Error(500, 'InternalError', 'The emulator failed');
}
