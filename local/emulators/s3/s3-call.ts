import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { type FaultableCall, isSparedBy, SPARED_HEADER } from '../faults/with-faults.ts';
import { S3Error } from './s3-error.ts';

/** One request, taken apart. */
export interface S3Call extends FaultableCall {
  readonly method: string;
  /** Empty for the service itself. */
  readonly bucket: string;
  /** Empty for the bucket itself. */
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * Takes a path-style request apart: `/bucket/key/with/slashes?query`.
 *
 * The path is split as it came: a URL parser would resolve `..`, which in a key is an ordinary name.
 */
export function parseCall(request: IncomingMessage, response: ServerResponse): S3Call {
  const [path = '', search = ''] = splitOnce(request.url ?? '/', '?');
  const [bucket = '', key = ''] = splitOnce(path.slice(1), '/');
  return {
    operation: operationOf(request),
    isSpared: isSparedBy(request.headers[SPARED_HEADER]),
    method: request.method ?? 'GET',
    bucket: decode(bucket),
    key: decode(key),
    query: new URLSearchParams(search),
    headers: request.headers,
    request,
    response,
  };
}

/** What the API calls a request: `PutObject` and the like. */
export function operationOf({ method = 'GET', url = '/' }: IncomingMessage): string {
  const [path, search] = splitOnce(url, '?');
  const [bucket, key] = splitOnce(path.slice(1), '/');
  const verb = { PUT: 'Put', HEAD: 'Head', DELETE: 'Delete', POST: 'Post' }[method] ?? 'Get';
  if (key !== '') return `${verb}Object`;
  if (method === 'POST' && search.startsWith('delete')) return 'DeleteObjects';
  if (method === 'PUT') return 'CreateBucket';
  if (method === 'GET') return bucket === '' ? 'ListBuckets' : 'ListObjectsV2';
  return `${verb}Bucket`;
}

function splitOnce(text: string, separator: string): [string, string] {
  const index = text.indexOf(separator);
  return index === -1 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error(400, 'InvalidURI', "Couldn't parse the specified URI.");
  }
}
