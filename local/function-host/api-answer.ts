/** What a function returned, as an HTTP API answers with it: payload format 2.0 (API Gateway Developer Guide). */
import { z } from 'zod';
import { type HttpAnswer, jsonAnswer } from './http-server.ts';
import type { Outcome } from './invocation.ts';

/** API Gateway's answer to every fault of a function. What went wrong stands in the function's log only. */
export const internalServerError: HttpAnswer = jsonAnswer(500, { message: 'Internal Server Error' });

const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const answerSchema = z.object({
  statusCode: z.coerce.number<number | string>().int().min(100).max(599),
  headers: z.record(z.string(), scalar).nullish(),
  cookies: z.array(z.string()).nullish(),
  body: z.string().nullish(),
  isBase64Encoded: z.boolean().nullish(),
});

/** An answer to the client, from a function's outcome. */
export function apiAnswer(outcome: Outcome): HttpAnswer {
  if (outcome.kind === 'failed') return internalServerError;
  const returned: unknown = JSON.parse(outcome.payload);
  const formed = typeof returned === 'object' && returned !== null && 'statusCode' in returned;
  // Without a status code the whole is the body of a 200.
  if (!formed) {
    const body = typeof returned === 'string' ? returned : outcome.payload;
    return { status: 200, headers: { 'content-type': 'application/json' }, body };
  }
  const answer = answerSchema.safeParse(returned);
  if (!answer.success) return internalServerError;
  const { statusCode, headers, cookies, body, isBase64Encoded } = answer.data;
  const lowerCased = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const);
  return {
    status: statusCode,
    headers: {
      ...(body ? { 'content-type': 'text/plain;charset=utf-8' } : {}),
      ...Object.fromEntries(lowerCased.filter(([name]) => name !== 'content-length')),
      ...(cookies && cookies.length > 0 ? { 'set-cookie': cookies } : {}),
    },
    body: isBase64Encoded ? Buffer.from(body ?? '', 'base64') : (body ?? ''),
  };
}
