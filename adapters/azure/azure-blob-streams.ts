/**
 * Blobs as streams: one request however long they are, so that nothing is there until all of it is. A stream can be sent only
 * once, so such a request is not tried again. It may take long, but it may not stand still.
 */
import { TransientError } from '../../core/errors.ts';
import type { ByteStream } from '../../core/ports.ts';
import { backoff } from '../backoff.ts';
import {
  type AzureContainer,
  authorizedBlobHeaders,
  BLOBS,
  blobUrl,
  isNoContainer,
  noContainer,
  putHeaders,
  unexpectedOfBlobs,
} from './azure-blobs.ts';
import { mayPass, permitted, unanswered } from './azure-request.ts';

/** Nothing moved for so long: nothing will. */
const STALLED_MS = 60_000;
const MAX_TRIES = 6;

/** @throws TransientError when it did not arrive; whatever the stream or the signal throws */
export async function putBlobStream(
  container: AzureContainer,
  key: string,
  { bytes, chunks }: ByteStream,
  contentType: string,
  signal?: AbortSignal,
): Promise<void> {
  const headers = { ...putHeaders(contentType), 'content-length': String(bytes) };
  const progress = new Progress(signal);
  const broken: { by?: unknown } = {};
  // The client would hide the stream's own error behind one of its own.
  const noted = progress.watch(chunks, (error) => Object.assign(broken, { by: error }));
  // An empty stream is sent as no body at all: a length of 0 is then certain.
  const body = bytes === 0 ? null : ReadableStream.from(noted);
  try {
    const response = await ask(container, key, { method: 'PUT', headers, body, duplex: 'half' }, progress);
    if (response.status !== 201) throw await refusal('Put Blob', response);
    await response.body?.cancel();
  } catch (error) {
    throw broken.by ?? error;
  } finally {
    progress.end();
  }
}

/** `undefined` if there is none. What breaks off half way throws TransientError: until then it is tried again. */
export async function getBlobStream(
  container: AzureContainer,
  key: string,
  signal?: AbortSignal,
): Promise<ByteStream | undefined> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await getOnce(container, key, signal);
    } catch (error) {
      if (!(error instanceof TransientError) || tries === MAX_TRIES) throw error;
      await backoff(tries);
    }
  }
}

async function getOnce(container: AzureContainer, key: string, signal?: AbortSignal): Promise<ByteStream | undefined> {
  const progress = new Progress(signal);
  try {
    const response = await ask(container, key, { method: 'GET' }, progress);
    if (isNoContainer(response)) throw noContainer(container);
    if (response.status === 404) {
      await response.body?.cancel();
      progress.end();
      return undefined;
    }
    if (response.status !== 200 || !response.body) throw await refusal('Get Blob', response);
    const bytes = Number(response.headers.get('content-length') ?? 0);
    return { bytes, chunks: readable(response.body, progress) };
  } catch (error) {
    progress.end();
    throw error;
  }
}

async function* readable(body: AsyncIterable<Uint8Array>, progress: Progress): AsyncGenerator<Uint8Array> {
  try {
    yield* progress.watch(body);
  } catch (cause) {
    progress.callerSignal?.throwIfAborted();
    throw new TransientError(`${BLOBS} broke off`, { cause });
  } finally {
    progress.end();
  }
}

async function ask(container: AzureContainer, key: string, init: RequestInit, progress: Progress): Promise<Response> {
  const headers = { ...(await authorizedBlobHeaders(container.token)), ...init.headers };
  try {
    return await fetch(blobUrl(container, key), { ...init, headers, signal: progress.signal, redirect: 'manual' });
  } catch (cause) {
    progress.callerSignal?.throwIfAborted();
    throw unanswered(BLOBS, { cause });
  }
}

async function refusal(operation: string, response: Response): Promise<Error> {
  const { status, headers } = response;
  const answer = { status, headers, bytes: new Uint8Array(await response.arrayBuffer()) };
  if (mayPass(status)) return unanswered(BLOBS, answer);
  return unexpectedOfBlobs(operation, permitted(BLOBS, operation, answer));
}

/** Ends a request in which nothing moves any more, or whose caller wants no more of it. */
class Progress {
  readonly signal: AbortSignal;
  readonly callerSignal: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(callerSignal: AbortSignal | undefined) {
    const stalled = new AbortController();
    this.#timer = setTimeout(() => stalled.abort(new Error('nothing moves')), STALLED_MS).unref();
    this.callerSignal = callerSignal;
    this.signal = callerSignal ? AbortSignal.any([callerSignal, stalled.signal]) : stalled.signal;
  }

  /** The same chunks: each is progress. */
  async *watch(chunks: AsyncIterable<Uint8Array>, onError?: (error: unknown) => void): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of chunks) {
        this.#timer.refresh();
        yield chunk;
        this.#timer.refresh();
      }
    } catch (error) {
      onError?.(error);
      throw error;
    }
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
