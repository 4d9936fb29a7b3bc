/** One harmless question to a service of another cloud. */
import type { AccessToken } from '../../adapters/identity/access-token.ts';
import { parsedJson } from '../../adapters/parsed-json.ts';
import { type Finding, failed, ok } from './finding.ts';

export interface Probe {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface ProbeAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** `undefined` for what is no JSON. */
  readonly json: unknown;
}

const TIMEOUT_MS = 10_000;

/** @param token null for an emulator on this machine */
export async function probe(url: string, token: AccessToken | null, question: Probe = {}): Promise<ProbeAnswer> {
  const { method = 'GET', headers = {}, body } = question;
  const authorization = token ? { authorization: `Bearer ${await token()}` } : {};
  const content = body === undefined ? {} : { 'content-type': 'application/json' };
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: { ...content, ...headers, ...authorization },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parsedJson(text) };
}

/** What the status of a read means, and the command for each that is wrong. */
export function judged(
  what: string,
  status: number,
  name: string,
  grantCommand: string,
  createCommand: string,
): Finding {
  if (status === 200) return ok(what, name);
  if (status === 401 || status === 403) return failed(what, `${name} is closed to the control plane`, grantCommand);
  if (status === 404) return failed(what, `${name} does not exist`, createCommand);
  throw new Error(`${name} answers ${status}`);
}
