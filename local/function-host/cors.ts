/** Cross-origin answers of an HTTP API, where the template configures them; without a configuration there are none. */
import { z } from 'zod';
import type { HttpAnswer, HttpRequest } from './http-server.ts';

export const corsSchema = z.object({
  AllowOrigins: z.array(z.string()).default([]),
  AllowMethods: z.array(z.string()).default([]),
  AllowHeaders: z.array(z.string()).default([]),
  ExposeHeaders: z.array(z.string()).default([]),
  MaxAge: z.number().optional(),
});
export type Cors = z.infer<typeof corsSchema>;

function originHeaders(cors: Cors, request: HttpRequest): Record<string, string> {
  const { origin } = request.headers;
  if (!origin) return {};
  if (cors.AllowOrigins.includes('*')) return { 'access-control-allow-origin': '*' };
  return cors.AllowOrigins.includes(origin) ? { 'access-control-allow-origin': origin, vary: 'Origin' } : {};
}

/** The answer to a preflight request, which no function sees; `undefined` for any other request. */
export function preflightAnswer(cors: Cors, request: HttpRequest): HttpAnswer | undefined {
  if (request.method !== 'OPTIONS' || !request.headers['access-control-request-method']) return undefined;
  const allowed = originHeaders(cors, request);
  if (Object.keys(allowed).length === 0) return { status: 204 };
  return {
    status: 204,
    headers: {
      ...allowed,
      'access-control-allow-methods': cors.AllowMethods.join(','),
      'access-control-allow-headers': cors.AllowHeaders.join(','),
      ...(cors.MaxAge === undefined ? {} : { 'access-control-max-age': String(cors.MaxAge) }),
    },
  };
}

/** The answer with the headers that let a page of another origin read it. */
export function withCors(cors: Cors | undefined, request: HttpRequest, answer: HttpAnswer): HttpAnswer {
  if (!cors) return answer;
  const exposed =
    cors.ExposeHeaders.length > 0 ? { 'access-control-expose-headers': cors.ExposeHeaders.join(',') } : {};
  const allowed = originHeaders(cors, request);
  if (Object.keys(allowed).length === 0) return answer;
  return { ...answer, headers: { ...answer.headers, ...allowed, ...exposed } };
}
