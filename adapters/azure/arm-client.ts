/**
 * Azure Resource Manager over REST, as far as machines need it. A refusal is an answer, and the caller's to understand;
 * what is thrown is that nobody knows.
 */
import { z } from 'zod';
import type { AzureCloud } from '../../core/clouds.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { backoff } from '../backoff.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { parsedJson } from '../parsed-json.ts';
import { authorized } from './azure-request.ts';

export interface ArmClientOptions {
  readonly cloud: Pick<AzureCloud, 'subscriptionId' | 'resourceGroup' | 'endpoints'>;
  /** `null`: an emulator, which wants none. */
  readonly token: AccessToken | null;
}

export interface ArmQuestion {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface ArmAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** Why something was refused, or failed, in ARM's words. */
export interface ArmFault {
  readonly code: string;
  readonly message: string;
}

const TIMEOUT_MS = 10_000;
const TRIES = 3;

const pageSchema = z.object({ value: z.array(z.unknown()), nextLink: z.string().optional() });
const faultSchema = z.object({ error: z.object({ code: z.string(), message: z.string().default('') }) });

export class ArmClient {
  readonly #token: AccessToken | null;
  readonly #origin: string;
  readonly #subscription: string;
  readonly #group: string;

  constructor({ cloud: { subscriptionId, resourceGroup, endpoints }, token }: ArmClientOptions) {
    this.#token = token;
    this.#origin = endpoints.management ?? 'https://management.azure.com';
    this.#subscription = `/subscriptions/${subscriptionId}`;
    this.#group = `${this.#subscription}/resourceGroups/${encodeURIComponent(resourceGroup)}`;
  }

  /** @param path below the resource group, such as `/providers/Microsoft.Compute/virtualMachines/vm-1` */
  inGroup(path: string, query: Readonly<Record<string, string>>): string {
    return this.#url(this.#group + path, query);
  }

  inSubscription(path: string, query: Readonly<Record<string, string>>): string {
    return this.#url(this.#subscription + path, query);
  }

  /**
   * Asks once; what gets no answer or an error of the service's (5xx) is asked again: so it must be such that twice is once.
   * @throws TransientError when there is no answer; PermanentError when there is no identity to ask with
   */
  async ask(url: string, question: ArmQuestion): Promise<ArmAnswer> {
    this.#checkOrigin(url);
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#askOnce(url, question);
      if ('status' in answer && answer.status < 500) return answer;
      if (tries === TRIES) {
        if ('status' in answer) throw new TransientError(`ARM answers ${question.method} with ${answer.status}`);
        throw new TransientError(`ARM does not answer ${question.method}`, { cause: answer.cause });
      }
      await backoff(tries);
    }
  }

  /** Everything of a list, page by page. @throws TransientError, PermanentError */
  async list(url: string): Promise<readonly unknown[]> {
    const items: unknown[] = [];
    for (let next: string | undefined = url; next !== undefined; ) {
      const answer = await this.ask(next, { method: 'GET' });
      const page = pageSchema.safeParse(answer.body);
      if (answer.status !== 200 || !page.success) throw refused('a list', answer);
      items.push(...page.data.value);
      next = page.data.nextLink || undefined;
    }
    return items;
  }

  #url(path: string, query: Readonly<Record<string, string>>): string {
    return `${this.#origin}${path}?${new URLSearchParams(query)}`;
  }

  /** Answers name addresses to go on with: the token is for ARM alone. */
  #checkOrigin(url: string): void {
    if (new URL(url).origin === new URL(this.#origin).origin) return;
    throw new PermanentError('ARM names an address that is not its own', { context: { url } });
  }

  async #askOnce(
    url: string,
    { method, headers, body }: ArmQuestion,
  ): Promise<ArmAnswer | { readonly cause: unknown }> {
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    const sent = { ...headers, ...json, ...(await authorized(this.#token)) };
    try {
      const response = await fetch(url, {
        method,
        headers: sent,
        body: body === undefined ? null : JSON.stringify(body),
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      return { status: response.status, headers: response.headers, body: parsedJson(await response.text()) };
    } catch (cause) {
      return { cause };
    }
  }
}

export function faultIn({ status, body }: ArmAnswer): ArmFault {
  const parsed = faultSchema.safeParse(body);
  return parsed.success ? parsed.data.error : { code: `Status${status}`, message: 'ARM gives no reason' };
}

/** What to throw where a refusal is no answer that anybody expects. */
export function refused(what: string, answer: ArmAnswer): TransientError | PermanentError {
  const { code, message } = faultIn(answer);
  const context = { code, status: answer.status };
  return answer.status === 429 || answer.status === 409
    ? new TransientError(`ARM refuses ${what} for now (${code}): ${message}`, { context })
    : new PermanentError(`ARM refuses ${what} (${code}): ${message}`, { context });
}
