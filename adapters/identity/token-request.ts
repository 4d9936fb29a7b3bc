/** One request for a token to somebody on the internet, tried again while it fails for a moment. */
import { TransientError } from '../../core/errors.ts';
import { backoff } from '../backoff.ts';
import { parsedJson } from '../parsed-json.ts';

export interface TokenAnswer {
  readonly status: number;
  /** `undefined` for what is no JSON. */
  readonly body: unknown;
}

const TIMEOUT_MS = 10_000;
const TRIES = 3;

/**
 * @param name of who is asked, for messages
 * @returns what was answered, with any status from 200 to 499 but 408 and 429
 * @throws TransientError when there is no answer, or one that asks for patience
 */
export async function askForToken(
  name: string,
  url: string,
  {
    body,
    headers = {},
  }: { readonly body: URLSearchParams | string; readonly headers?: Readonly<Record<string, string>> },
): Promise<TokenAnswer> {
  for (let tries = 1; ; tries += 1) {
    const answer = await once(url, { method: 'POST', headers, body });
    if (answer && !isPassing(answer.status)) return answer;
    if (tries === TRIES) {
      throw answer
        ? new TransientError(`${name} gives out no tokens at the moment`, { context: { status: answer.status } })
        : new TransientError(`${name} cannot be reached for a token`);
    }
    await backoff(tries);
  }
}

const isPassing = (status: number): boolean => status >= 500 || status === 429 || status === 408;

/** Why a request failed is not told: who knows what a client quotes of it. */
async function once(url: string, request: RequestInit): Promise<TokenAnswer | undefined> {
  try {
    const response = await fetch(url, { ...request, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    return { status: response.status, body: parsedJson(text) };
  } catch {
    return undefined;
  }
}
