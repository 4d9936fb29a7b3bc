/**
 * Blob Storage ("Blob service REST API", learn.microsoft.com/rest/api/storageservices), as much of it as is asked here, on the
 * loopback address only: the account is the whole server.
 *
 * - `PUT /{container}?restype=container`: *Create Container*: 201, or 409 `ContainerAlreadyExists`.
 * - `PUT /{container}/{blob}`: *Put Blob*, up to 5,000 MiB in one request (413 beyond); `comp=block` and `comp=blocklist`:
 *   *Put Block*, *Put Block List*. Without `Content-Length`: 411.
 * - `GET`: *Get Blob*, whole or a range (206, 416); `HEAD`: *Get Blob Properties*; `DELETE`: *Delete Blob* (202).
 * - Conditions ("Specifying conditional headers for Blob service operations"): `If-Match` that does not: 412. `If-None-Match`
 *   that does: 304 to a read; to a write of `*`: 409 `BlobAlreadyExists` ("Put Blob", remarks).
 * - Every request names its version (`x-ms-version` is required where a token is used, "Versioning for the Azure Storage
 *   services"): 400 without it.
 */
import type { IncomingMessage } from 'node:http';
import { readBody } from '../../../../local/emulators/protocol/request-body.ts';
import { parseRange } from '../../../../local/emulators/s3/byte-range.ts';
import { AzureFaults, type AzureOperation } from '../azure-faults.ts';
import { type AzureAnswer, type AzureCall, serveAzureHttp } from '../faulty-http.ts';
import { Container, type StoredBlob } from './container.ts';

export interface BlobsOptions {
  readonly port?: number;
  readonly faults?: AzureFaults;
  /** What callers must bring; without it nothing. */
  readonly token?: string;
}

export interface RunningBlobs {
  /** Without a trailing slash; a container's address is one segment more. */
  readonly url: string;
  readonly faults: AzureFaults;
  /** Makes a container; one that is there stays as it is. */
  container(name: string): Container;
  /** The address of a container that nobody has. */
  freshContainer(): string;
  stop(): Promise<void>;
}

const MAX_PUT_BYTES = 5_000 * 1_024 ** 2;

export async function startBlobs(options: BlobsOptions = {}): Promise<RunningBlobs> {
  const { port = 0, faults = new AzureFaults(), token } = options;
  const containers = new Map<string, Container>();
  const container = (name: string): Container => {
    const found = containers.get(name) ?? new Container();
    containers.set(name, found);
    return found;
  };
  const server = await serveAzureHttp({
    name: 'Blob Storage',
    port,
    faults,
    token,
    operationOf: ({ method }): AzureOperation => (method === 'PUT' || method === 'DELETE' ? 'write' : 'read'),
    handle: (call) => answer(call, containers, container),
    refusals: {
      // "Status and error codes": 503 ServerBusy is its throttling.
      throttle: [failure(503, 'ServerBusy'), failure(429, 'TooManyRequests')],
      unavailable: [failure(500, 'InternalError'), failure(500, 'OperationTimedOut')],
    },
  });
  const freshContainer = (): string => {
    const name = `container-${containers.size}`;
    container(name);
    return `${server.url}/${name}`;
  };
  return { url: server.url, faults, container, freshContainer, stop: () => server.stop() };
}

const failure = (status: number, code: string): AzureAnswer => ({
  status,
  headers: { 'x-ms-error-code': code, 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code></Error>`,
});

async function answer(
  { request, url }: AzureCall,
  containers: ReadonlyMap<string, Container>,
  create: (name: string) => Container,
): Promise<AzureAnswer> {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(String(request.headers['x-ms-version'] ?? ''))) {
    return failure(400, 'MissingRequiredHeader');
  }
  const [, name = '', rest = ''] = /^\/([^/]+)(?:\/(.+))?$/.exec(url.pathname) ?? [];
  const found = containers.get(name);
  if (url.searchParams.get('restype') === 'container') {
    if (request.method !== 'PUT') return failure(405, 'UnsupportedHttpVerb');
    if (found) return failure(409, 'ContainerAlreadyExists');
    create(name);
    return { status: 201 };
  }
  if (!found) {
    request.resume();
    return failure(404, 'ContainerNotFound');
  }
  const blob = decodeURIComponent(rest);
  switch (request.method) {
    case 'PUT':
      return write(request, url, found, blob);
    case 'GET':
    case 'HEAD':
      return read(request, found.find(blob));
    case 'DELETE':
      return found.delete(blob) ? { status: 202 } : failure(404, 'BlobNotFound');
    default:
      return failure(405, 'UnsupportedHttpVerb');
  }
}

async function write(request: IncomingMessage, url: URL, container: Container, name: string): Promise<AzureAnswer> {
  const length = request.headers['content-length'];
  if (length === undefined) return failure(411, 'MissingContentLengthHeader');
  if (Number(length) > MAX_PUT_BYTES) return failure(413, 'RequestBodyTooLarge');
  const body = await readBody(request);
  const comp = url.searchParams.get('comp');
  if (comp === 'block') {
    container.putBlock(name, url.searchParams.get('blockid') ?? '', body);
    return { status: 201 };
  }
  if (comp === null && request.headers['x-ms-blob-type'] !== 'BlockBlob') return failure(400, 'MissingRequiredHeader');
  const refused = refusalOfWrite(request, container.find(name));
  if (refused) return refused;
  const whole = comp === 'blocklist' ? container.blocksOf(name, blockIds(body.toString())) : body;
  if (!whole) return failure(400, 'InvalidBlockList');
  const type =
    request.headers['x-ms-blob-content-type'] ?? (comp === null ? request.headers['content-type'] : undefined);
  const { etag } = container.put(name, whole, String(type ?? 'application/octet-stream'));
  return { status: 201, headers: { etag } };
}

/** The ids of a `<BlockList>`, whichever list they are to be taken from. */
const blockIds = (xml: string): string[] =>
  [...xml.matchAll(/<(?:Latest|Uncommitted|Committed)>([^<]+)</g)].map(([, id = '']) => id);

function refusalOfWrite({ headers }: IncomingMessage, present: StoredBlob | undefined): AzureAnswer | undefined {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers;
  if (ifMatch !== undefined && (!present || (ifMatch !== '*' && ifMatch !== present.etag))) {
    return failure(412, 'ConditionNotMet');
  }
  if (ifNoneMatch === '*' && present) return failure(409, 'BlobAlreadyExists');
  return ifNoneMatch !== undefined && ifNoneMatch === present?.etag ? failure(412, 'ConditionNotMet') : undefined;
}

function read({ headers, method }: IncomingMessage, blob: StoredBlob | undefined): AzureAnswer {
  if (!blob) return failure(404, 'BlobNotFound');
  const { body, contentType, etag, writtenAt } = blob;
  const about = { etag, 'last-modified': writtenAt.toUTCString(), 'content-type': contentType };
  if (headers['if-match'] !== undefined && headers['if-match'] !== etag) return failure(412, 'ConditionNotMet');
  if (headers['if-none-match'] === etag) return { status: 304, headers: { etag } };
  if (method === 'HEAD') return { status: 200, headers: { ...about, 'content-length': body.length } };
  const asked = headers['x-ms-range'] ?? headers.range;
  const range = parseRange(typeof asked === 'string' ? asked : undefined, body.length);
  if (range === 'unsatisfiable') return failure(416, 'InvalidRange');
  if (!range) return { status: 200, headers: about, body };
  const contentRange = `bytes ${range.start}-${range.end}/${body.length}`;
  const part = body.subarray(range.start, range.end + 1);
  return { status: 206, headers: { ...about, 'content-range': contentRange }, body: part };
}
