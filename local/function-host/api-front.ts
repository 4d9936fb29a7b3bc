/** The HTTP API: a request takes its route to a function and comes back as API Gateway would answer it. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { StackTemplate } from '../template.ts';
import { apiAnswer } from './api-answer.ts';
import { apiEvent, parseTarget } from './api-event.ts';
import { type Cors, corsSchema, preflightAnswer, withCors } from './cors.ts';
import { type HttpAnswer, type HttpRequest, jsonAnswer } from './http-server.ts';
import type { Outcome } from './invocation.ts';
import { type Route, routeMatcher } from './routes.ts';

/** What API Gateway takes, and what Lambda takes of it (quotas of both services). */
export const API_BODY_LIMIT_BYTES = 10 * 1024 * 1024;
export const LAMBDA_PAYLOAD_LIMIT_BYTES = 6 * 1024 * 1024;

const tooLarge = jsonAnswer(413, { message: 'Request Entity Too Large' });

/** What of the template makes the API. */
export interface ApiDefinition {
  readonly routes: readonly Route[];
  readonly cors: Cors | undefined;
}

/** Reads the HTTP API of a stack. @throws Error when a route leads nowhere */
export function apiDefinitionOf(stack: StackTemplate): ApiDefinition {
  const apiSchema = z.object({ ProtocolType: z.string(), CorsConfiguration: corsSchema.optional() });
  const api = stack
    .resourcesOf('AWS::ApiGatewayV2::Api', apiSchema)
    .find((each) => each.properties.ProtocolType === 'HTTP');
  const integrationSchema = z.object({ IntegrationUri: z.string(), TimeoutInMillis: z.number().default(30_000) });
  const integrations = new Map(
    stack
      .resourcesOf('AWS::ApiGatewayV2::Integration', integrationSchema)
      .map((each) => [each.logicalId, each.properties]),
  );
  const routeSchema = z.object({ ApiId: z.string(), RouteKey: z.string(), Target: z.string() });
  const routes = stack
    .resourcesOf('AWS::ApiGatewayV2::Route', routeSchema)
    .filter(({ properties }) => properties.ApiId === api?.logicalId)
    .map(({ logicalId, properties }): Route => {
      const integration = integrations.get(properties.Target.replace(/^integrations\//, ''));
      if (!integration) throw new Error(`${logicalId}: no integration is called ${properties.Target}`);
      // Either a function's ARN, or the long form in which the ARN stands between `functions/` and `/invocations`.
      const functionArn = integration.IntegrationUri.replace(/^.*\/functions\//, '').replace(/\/invocations$/, '');
      return { key: properties.RouteKey, functionArn, timeoutMs: integration.TimeoutInMillis };
    });
  return { routes, cors: api?.properties.CorsConfiguration };
}

/**
 * Makes the front of an API.
 * @param invoke by ARN; resolves to an outcome, never rejects
 */
export function apiFront(
  { routes, cors }: ApiDefinition,
  invoke: (functionArn: string, event: string) => Promise<Outcome>,
): (request: HttpRequest) => Promise<HttpAnswer> {
  const match = routeMatcher(routes);
  const answer = async (request: HttpRequest, requestId: string): Promise<HttpAnswer> => {
    const target = parseTarget(request.target);
    if (!target) return jsonAnswer(400, { message: 'Bad Request' });
    const matched = match(request.method, target.path);
    if (!matched) return jsonAnswer(404, { message: 'Not Found' });
    if (!request.body) return tooLarge;
    const event = JSON.stringify(apiEvent(request, target, matched, { requestId, now: new Date() }));
    if (Buffer.byteLength(event) > LAMBDA_PAYLOAD_LIMIT_BYTES) return tooLarge;
    return withinTimeout(invoke(matched.route.functionArn, event), matched.route.timeoutMs);
  };
  return async (request) => {
    const preflight = cors && preflightAnswer(cors, request);
    if (preflight) return preflight;
    const requestId = randomUUID();
    const answered = withCors(cors, request, await answer(request, requestId));
    return { ...answered, headers: { ...answered.headers, 'apigw-requestid': requestId } };
  };
}

/** API Gateway does not wait for ever; the function runs on. */
async function withinTimeout(outcome: Promise<Outcome>, timeoutMs: number): Promise<HttpAnswer> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<HttpAnswer>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, jsonAnswer(503, { message: 'Service Unavailable' }));
  });
  try {
    return await Promise.race([outcome.then(apiAnswer), timeUp]);
  } finally {
    clearTimeout(timer);
  }
}
