/**
 * Google's older JSON APIs, whose refusals name a reason that decides what is to be done ("Google APIs: Errors"). Whatever
 * is asked here may be asked twice: it reads, deletes, or carries a `requestId`.
 */
import { z } from 'zod';
import { NotFoundError, PermanentError, TransientError } from '../../core/errors.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { parsedJson } from '../parsed-json.ts';
import { askGoogle } from './google-api.ts';

export interface GoogleRestOptions {
  /** `null`: an emulator on this machine. */
  readonly token: AccessToken | null;
  /** How often one question is asked before its refusal, or silence, is taken as the answer. */
  readonly tries?: number;
}

export interface GoogleQuestion<Schema extends z.ZodType> {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly answer: Schema;
  readonly timeoutMs?: number;
  readonly tries?: number;
}

const refusalSchema = z.object({ status: z.int(), reason: z.string(), message: z.string() });
/** What the service would not do, in its own words. */
export type GoogleRefusal = Readonly<z.infer<typeof refusalSchema>>;
export type GoogleAnswer<Body> =
  | { readonly kind: 'answer'; readonly body: Body }
  | { readonly kind: 'refused'; readonly refusal: GoogleRefusal };

const errorSchema = z.object({
  error: z.object({
    message: z.string().default(''),
    status: z.string().optional(),
    errors: z.array(z.object({ reason: z.string().optional() })).optional(),
  }),
});

const THROTTLED = new Set(['rateLimitExceeded', 'userRateLimitExceeded', 'RESOURCE_EXHAUSTED']);
const MAY_PASS = new Set([408, 429, 500, 502, 503, 504]);
/** A refusal is looked at here, whatever its status. */
const REFUSALS = Array.from({ length: 200 }, (_, index) => 400 + index);

export class GoogleRest {
  readonly #token: AccessToken | null;
  readonly #tries: number;

  constructor({ token, tries = 3 }: GoogleRestOptions) {
    this.#token = token;
    this.#tries = tries;
  }

  /** @throws TransientError when there is no answer at all, or none that can be understood */
  async ask<Schema extends z.ZodType>(question: GoogleQuestion<Schema>): Promise<GoogleAnswer<z.infer<Schema>>> {
    const { method = 'GET', body, timeoutMs, tries = this.#tries } = question;
    const url = withQuery(question);
    const json =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const limit = timeoutMs === undefined ? {} : { timeoutMs };
    try {
      return await askGoogle(
        { method, url, token: this.#token, tries, expected: REFUSALS, ...json, ...limit },
        async (response) => read(question.answer, response.status, await response.text()),
      );
    } catch (error) {
      const refused = refusalSchema.safeParse(error instanceof TransientError ? error.context : undefined);
      if (refused.success) return { kind: 'refused', refusal: refused.data };
      throw error;
    }
  }

  /** For questions whose refusal nobody has an answer to. @throws NotFoundError, TransientError, PermanentError */
  async demand<Schema extends z.ZodType>(question: GoogleQuestion<Schema>): Promise<z.infer<Schema>> {
    const answer = await this.ask(question);
    if (answer.kind === 'answer') return answer.body;
    throw asError(answer.refusal, question.url);
  }
}

function withQuery({ url, query = {} }: Pick<GoogleQuestion<z.ZodType>, 'url' | 'query'>): string {
  const asked = new URL(url);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) asked.searchParams.set(name, value);
  return asked.href;
}

/** @throws TransientError for what another try may get */
function read<Schema extends z.ZodType>(schema: Schema, status: number, text: string): GoogleAnswer<z.infer<Schema>> {
  if (status >= 400) {
    const refusal = refusalOf(status, text);
    if (mayPass(refusal))
      throw new TransientError(`Google refuses with ${refusal.reason}`, { context: { ...refusal } });
    return { kind: 'refused', refusal };
  }
  const parsed = schema.safeParse(parsedJson(text));
  if (parsed.success) return { kind: 'answer', body: parsed.data };
  throw new TransientError('Google answers something else than its documents say', { cause: parsed.error });
}

const isThrottled = ({ status, reason }: GoogleRefusal): boolean => status === 429 || THROTTLED.has(reason);

/** That there is no capacity does not pass within a second. */
const mayPass = (refusal: GoogleRefusal): boolean =>
  isThrottled(refusal) || (MAY_PASS.has(refusal.status) && refusal.reason !== 'insufficientCapacity');

function refusalOf(status: number, text: string): GoogleRefusal {
  const parsed = errorSchema.safeParse(parsedJson(text));
  if (!parsed.success) return { status, reason: `HTTP ${status}`, message: text.slice(0, 200) };
  const { message, status: name, errors = [] } = parsed.data.error;
  return { status, reason: errors[0]?.reason ?? name ?? `HTTP ${status}`, message };
}

function asError(refusal: GoogleRefusal, url: string): Error {
  const { status, reason, message } = refusal;
  const text = `Google refuses with ${reason}: ${message}`;
  const context = { url, status };
  if (status === 404) return new NotFoundError(text, { context });
  return mayPass(refusal) ? new TransientError(text, { context }) : new PermanentError(text, { context });
}
