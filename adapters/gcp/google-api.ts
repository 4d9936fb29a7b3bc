/**
 * Asks an API of Google over HTTP: the one place where its answers become ours. What may pass is tried again, with
 * truncated exponential backoff (https://cloud.google.com/storage/docs/retry-strategy names the statuses).
 */
import { z } from 'zod';
import { NotFoundError, PermanentError, TransientError } from '../../core/errors.ts';
import { backoff } from '../backoff.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { parsedJson } from '../parsed-json.ts';

export interface GoogleRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly url: string;
  /** `null` for an emulator, which wants none. */
  readonly token: AccessToken | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestInit['body'];
  /** Of each try. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** 1 for a body that can be read only once. */
  readonly tries?: number;
  /** Statuses that are answers, beside those of success. */
  readonly expected?: readonly number[];
}

const TIMEOUT_MS = 20_000;
const MAX_TRIES = 6;
const MAY_PASS: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
/** So much of an error's text is kept. */
const MAX_REASON = 500;

const errorSchema = z.object({ error: z.object({ message: z.string() }) });

/**
 * @param read what is made of the answer; when its body breaks off, the request is tried again
 * @throws TransientError when no try succeeded; NotFoundError; PermanentError for what no other try can mend
 */
export async function askGoogle<Value>(
  request: GoogleRequest,
  read: (response: Response) => Promise<Value>,
): Promise<Value> {
  const { tries: most = MAX_TRIES, signal } = request;
  for (let tries = 1; ; tries += 1) {
    try {
      return await askOnce(request, read);
    } catch (error) {
      const mayPass = error instanceof TransientError && !signal?.aborted;
      if (!mayPass || tries >= most) throw error;
      await backoff(tries + 1);
      if (signal?.aborted) throw error;
    }
  }
}

async function askOnce<Value>(request: GoogleRequest, read: (response: Response) => Promise<Value>): Promise<Value> {
  const { method, url, token, headers = {}, body, timeoutMs = TIMEOUT_MS, signal, expected = [] } = request;
  const authorization = token ? { authorization: `Bearer ${await token()}` } : {};
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  timer.unref();
  try {
    const response = await fetch(url, {
      method,
      headers: { ...headers, ...authorization },
      signal: signal ? AbortSignal.any([signal, limit.signal]) : limit.signal,
      // A body that is a stream is sent as it comes.
      ...(body === undefined ? {} : { body, duplex: 'half' }),
    });
    if (!response.ok && !expected.includes(response.status)) throw await refusal(request, response);
    return await read(response);
  } catch (error) {
    if (error instanceof PermanentError || error instanceof NotFoundError || error instanceof TransientError)
      throw error;
    throw new TransientError('a Google API does not answer', { cause: error, context: { method, url } });
  } finally {
    clearTimeout(timer);
  }
}

async function refusal({ method, url }: GoogleRequest, response: Response): Promise<Error> {
  const { status } = response;
  const text = await response.text().catch(() => '');
  const parsed = errorSchema.safeParse(parsedJson(text));
  const why = (parsed.success ? parsed.data.error.message : text).slice(0, MAX_REASON);
  const options = { context: { method, url, status, why } };
  if (MAY_PASS.has(status)) return new TransientError(`a Google API answers ${status}`, options);
  if (status === 404) return new NotFoundError('Google knows no such resource', options);
  return new PermanentError(`a Google API answers ${status}`, options);
}
