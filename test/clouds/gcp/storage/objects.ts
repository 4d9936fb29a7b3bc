/**
 * Objects over HTTP: the XML API under `/{bucket}/{object}`, and of the JSON API what uploads, downloads and deletes.
 * @see https://cloud.google.com/storage/docs/xml-api/reference-methods
 * @see https://cloud.google.com/storage/docs/json_api/v1/objects
 * @see https://cloud.google.com/storage/docs/request-preconditions
 */
import type { IncomingMessage } from 'node:http';
import { readBody } from '../../../../local/emulators/protocol/request-body.ts';
import { parseRange } from '../../../../local/emulators/s3/byte-range.ts';
import type { HttpAnswer } from '../http-front.ts';
import type { Buckets, StoredObject } from './buckets.ts';
import { jsonFailure, noSuchBucket, StorageError, xmlFailure } from './storage-error.ts';

interface ObjectCall {
  readonly api: 'xml' | 'json';
  readonly method: string;
  readonly bucket: string;
  readonly key: string | undefined;
  /** The generation that the object must have; 0: there must be none. */
  readonly ifGeneration: number | undefined;
  readonly query: URLSearchParams;
}

const JSON_PATH = /^\/(?:upload\/)?storage\/v1\/b\/([^/]+)\/o(?:\/([^/]+))?$/;

function callOf({ method = 'GET', url = '', headers }: IncomingMessage): ObjectCall {
  const { pathname, searchParams: query } = new URL(url, 'http://localhost');
  const json = JSON_PATH.exec(pathname);
  const wanted = query.get('ifGenerationMatch') ?? headers['x-goog-if-generation-match'];
  const ifGeneration = wanted === undefined || wanted === null ? undefined : Number(wanted);
  if (json) {
    const [, bucket = '', object] = json;
    const key = query.get('name') ?? (object === undefined ? undefined : decodeURIComponent(object));
    return { api: 'json', method, bucket, key, ifGeneration, query };
  }
  const [, bucket = '', ...path] = pathname.split('/');
  const key = path.length === 0 || path.join('') === '' ? undefined : decodeURIComponent(path.join('/'));
  return { api: 'xml', method, bucket, key, ifGeneration, query };
}

/** What a fault rule calls it. */
export const operationOf = (request: IncomingMessage): string => {
  const { method } = callOf(request);
  return method === 'PUT' || method === 'POST' ? 'put' : method.toLowerCase();
};

export async function answerStorage(request: IncomingMessage, buckets: Buckets): Promise<HttpAnswer> {
  const call = callOf(request);
  try {
    return await answer(call, request, buckets);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return call.api === 'json' ? jsonFailure(error.status, error) : xmlFailure(error.status, error);
  }
}

async function answer(call: ObjectCall, request: IncomingMessage, buckets: Buckets): Promise<HttpAnswer> {
  const { api, method, bucket, key, query } = call;
  if (key === undefined && method === 'PUT') {
    request.resume();
    buckets.create(bucket);
    return { status: 200 };
  }
  // Nothing is stored of a body that breaks off: reading it throws.
  const bytes = await readBody(request);
  if (!buckets.has(bucket)) throw noSuchBucket();
  if (key === undefined) return listed(buckets.keys(bucket, query.get('prefix') ?? ''));
  const present = buckets.get(bucket, key);
  if (call.ifGeneration !== undefined && call.ifGeneration !== (present?.generation ?? 0)) throw new StorageError(412);
  switch (method) {
    case 'PUT':
    case 'POST': {
      const type = request.headers['content-type'] ?? 'application/octet-stream';
      const stored = buckets.put(bucket, key, bytes, type);
      return api === 'json' ? resource(bucket, key, stored) : { status: 200, headers: headersOf(stored) };
    }
    case 'GET':
    case 'HEAD':
      if (!present) throw new StorageError(404);
      return api === 'json' && query.get('alt') !== 'media' ? resource(bucket, key, present) : read(present, request);
    case 'DELETE':
      if (!buckets.delete(bucket, key)) throw new StorageError(404);
      return { status: 204 };
    default:
      throw new StorageError(405);
  }
}

function read(stored: StoredObject, { headers }: IncomingMessage): HttpAnswer {
  const unchanged = (headers['if-none-match'] ?? '').split(/, */).includes(stored.etag);
  if (unchanged) return { status: 304, headers: { etag: stored.etag } };
  const range = parseRange(headers.range, stored.bytes.length);
  if (range === 'unsatisfiable') throw new StorageError(416);
  if (!range) return { status: 200, headers: headersOf(stored), body: stored.bytes };
  return {
    status: 206,
    headers: { ...headersOf(stored), 'content-range': `bytes ${range.start}-${range.end}/${stored.bytes.length}` },
    body: stored.bytes.subarray(range.start, range.end + 1),
  };
}

const headersOf = ({ etag, generation, contentType, updatedAt }: StoredObject): Record<string, string> => ({
  etag,
  'content-type': contentType,
  'last-modified': updatedAt.toUTCString(),
  'x-goog-generation': String(generation),
  'x-goog-metageneration': '1',
});

const resource = (bucket: string, name: string, { bytes, ...stored }: StoredObject): HttpAnswer => ({
  status: 200,
  headers: { 'content-type': 'application/json; charset=UTF-8' },
  body: JSON.stringify({
    kind: 'storage#object',
    bucket,
    name,
    generation: String(stored.generation),
    metageneration: '1',
    contentType: stored.contentType,
    size: String(bytes.length),
    etag: stored.etag.replaceAll('"', ''),
    updated: stored.updatedAt.toISOString(),
  }),
});

const listed = (keys: readonly string[]): HttpAnswer => ({
  status: 200,
  headers: { 'content-type': 'application/xml; charset=UTF-8' },
  body: `<?xml version='1.0' encoding='UTF-8'?><ListBucketResult>${keys.map((key) => `<Contents><Key>${escaped(key)}</Key></Contents>`).join('')}</ListBucketResult>`,
});
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
