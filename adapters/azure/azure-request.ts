/**
 * One request to a service of Azure, tried a few times: what is throttled (429), what fails on the service's side (5xx), what
 * gets no answer in time. Every other answer is the caller's to understand.
 */
import { PermanentError, TransientError } from '../../core/errors.ts';
import { backoff } from '../backoff.ts';
import type { AccessToken } from '../identity/access-token.ts';

export interface AzureQuestion {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** One try may take so long, its answer included. */
  readonly timeoutMs?: number;
  readonly tries?: number;
}

export interface AzureAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

const MAX_TRIES = 6;
const TIMEOUT_MS = 10_000;
/** Of an error's text, in what is said about it. */
const MAX_DETAIL = 300;

/** @param service as errors name it */
export interface AzureService {
  readonly service: string;
  /** `null`: an emulator, which wants none. */
  readonly token: AccessToken | null;
}

/**
 * @throws TransientError when there is no answer, or only ones that pass by themselves
 * @throws PermanentError when the identity may not do this
 */
export async function askAzure(
  { service, token }: AzureService,
  url: string,
  { timeoutMs = TIMEOUT_MS, tries: most = MAX_TRIES, ...question }: AzureQuestion,
): Promise<AzureAnswer> {
  for (let tries = 1; ; tries += 1) {
    const answer = await askOnce(url, await withToken(question, token), timeoutMs);
    if ('status' in answer && !mayPass(answer.status)) return permitted(service, question.method, answer);
    if (tries >= most) throw unanswered(service, answer);
    await backoff(tries);
  }
}

/** Headers of a request, the token's among them. */
export const authorized = async (token: AccessToken | null): Promise<Record<string, string>> =>
  token === null ? {} : { authorization: `Bearer ${await token()}` };

/** Whether another try of the very same may be answered otherwise. */
export const mayPass = (status: number): boolean => status === 408 || status === 429 || status >= 500;

type Unanswered = { readonly cause: unknown };

export function unanswered(
  service: string,
  { cause, status, bytes }: Partial<AzureAnswer & Unanswered>,
): TransientError {
  const reason = status ?? (cause instanceof Error ? cause.name : 'no answer');
  return new TransientError(`${service} does not answer (${reason})`, { cause, context: { detail: detailOf(bytes) } });
}

/** @throws PermanentError when the identity may not do this */
export function permitted<Answer extends { readonly status: number; readonly bytes?: Uint8Array }>(
  service: string,
  operation: string,
  answer: Answer,
): Answer {
  if (answer.status !== 401) return answer;
  const context = { detail: detailOf(answer.bytes) };
  throw new PermanentError(`${service} refuses ${operation} (${answer.status})`, { context });
}

/** For an answer that is none of those that are documented. */
export const unexpected = (service: string, operation: string, { status, bytes }: AzureAnswer): PermanentError =>
  new PermanentError(`${service} answers ${operation} with ${status}`, { context: { detail: detailOf(bytes) } });

export const detailOf = (bytes: Uint8Array = new Uint8Array()): string =>
  new TextDecoder().decode(bytes.subarray(0, MAX_DETAIL));

async function withToken(
  question: Omit<AzureQuestion, 'timeoutMs' | 'tries'>,
  token: AccessToken | null,
): Promise<RequestInit> {
  return { ...question, headers: { ...question.headers, ...(await authorized(token)) } };
}

async function askOnce(url: string, question: RequestInit, timeoutMs: number): Promise<AzureAnswer | Unanswered> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    // Followed nowhere: the token is for this address alone.
    const response = await fetch(url, { ...question, signal, redirect: 'manual' });
    return { status: response.status, headers: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) };
  } catch (cause) {
    return { cause };
  }
}
