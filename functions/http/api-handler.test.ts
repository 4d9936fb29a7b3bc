import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NotFoundError, TransientError } from '../../core/errors.ts';
import { START } from '../../test/factories/manual-clock.ts';
import { InMemoryKeyStore } from '../../test/fakes/in-memory-key-store.ts';
import { type ApiAnswer, apiHandler, type Route } from './api-handler.ts';
import { hashApiKey } from './authenticate.ts';
import { readJsonBody } from './json-body.ts';

const KEY = 'shoal_0123456789';
const logged: string[] = [];

beforeEach(() => {
  for (const method of ['debug', 'info', 'warn', 'error', 'log'] as const) {
    vi.spyOn(console, method).mockImplementation((...lines: unknown[]) => {
      logged.push(lines.map(String).join(' '));
    });
  }
});
afterEach(() => {
  vi.restoreAllMocks();
  logged.length = 0;
});

type EventOverrides = Partial<APIGatewayProxyEventV2> & { method?: string };

/** A request as API Gateway hands it over, its route matched. */
function eventFactory({ method = 'GET', ...overrides }: EventOverrides = {}): APIGatewayProxyEventV2 {
  const http = { method, path: '/v1/things', protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'test' };
  return {
    version: '2.0',
    routeKey: 'GET /v1/things',
    rawPath: '/v1/things',
    rawQueryString: '',
    headers: { authorization: `Bearer ${KEY}` },
    // A test looks at no more of it than the handler does.
    requestContext: { http } as APIGatewayProxyEventV2['requestContext'],
    isBase64Encoded: false,
    ...overrides,
  };
}

const context = { functionName: 'query', awsRequestId: 'request-1', memoryLimitInMB: '256' } as Context;

async function prepare(routes: Record<string, Route>, open?: Record<string, () => Promise<ApiAnswer>>) {
  const keys = new InMemoryKeyStore();
  await keys.put(hashApiKey(KEY), { keyId: 'key-1', name: 'laptop', createdAt: START });
  const handler = apiHandler({ keys, routes, ...(open ? { open } : {}) });
  const ask = async (event: EventOverrides = {}) => {
    const result = await handler(eventFactory(event), context);
    return { ...result, body: result.body ?? '' };
  };
  return { ask, keys };
}

const ok: Route = async () => ({ status: 200, body: { fine: true } });

describe('an HTTP function', () => {
  it('hands a route its parameters, headers, body and caller', async () => {
    const route = vi.fn<Route>(ok);
    const { ask } = await prepare({ 'GET /v1/things': route });

    const result = await ask({ pathParameters: { id: '7' }, queryStringParameters: { limit: '1' }, body: 'text' });

    expect(result.statusCode).toBe(200);
    expect(JSON.parse(result.body)).toEqual({ fine: true });
    expect(route).toHaveBeenCalledWith(
      {
        params: { id: '7' },
        query: { limit: '1' },
        headers: { authorization: `Bearer ${KEY}` },
        body: 'text',
      },
      expect.objectContaining({ keyId: 'key-1' }),
    );
  });

  it('has JSON answered as JSON, text as text, with the headers of the route', async () => {
    const { ask } = await prepare({
      'GET /v1/things': ok,
      'GET /v1/text': async () => ({ status: 202, body: 'a\nb', headers: { location: '/x' } }),
      'GET /v1/lines': async () => ({ status: 200, body: '{}\n', headers: { 'content-type': 'application/x-ndjson' } }),
    });

    const [json, text, lines] = await Promise.all([
      ask(),
      ask({ routeKey: 'GET /v1/text' }),
      ask({ routeKey: 'GET /v1/lines' }),
    ]);

    expect(json?.headers).toEqual({ 'content-type': 'application/json', 'cache-control': 'no-store' });
    expect(text).toMatchObject({ statusCode: 202, body: 'a\nb', headers: { location: '/x' } });
    expect(text?.headers?.['content-type']).toBe('text/plain; charset=utf-8');
    expect(lines?.headers?.['content-type']).toBe('application/x-ndjson');
  });

  it('decodes a body that came as base64', async () => {
    const { ask } = await prepare({
      'POST /v1/things': async (request) => ({ status: 200, body: readJsonBody(request, 100) }),
    });

    const result = await ask({
      routeKey: 'POST /v1/things',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: Buffer.from('{"text":"ü🚀"}').toString('base64'),
      isBase64Encoded: true,
    });

    expect(JSON.parse(result.body)).toEqual({ text: 'ü🚀' });
  });

  it('answers a route that is open without a key, and no other', async () => {
    const { ask } = await prepare(
      { 'GET /v1/things': ok },
      { 'GET /health': async () => ({ status: 200, body: { status: 'ok' } }) },
    );

    const health = await ask({ routeKey: 'GET /health', headers: {} });
    const things = await ask({ headers: {} });

    expect([health.statusCode, things.statusCode]).toEqual([200, 401]);
  });

  it.each([
    ['no key', {}],
    ['a wrong key', { authorization: 'Bearer wrong' }],
    ['a wrong scheme', { authorization: `Basic ${KEY}` }],
  ])('refuses %s with 401, and does not call the route (lesson 43)', async (_what, headers) => {
    const route = vi.fn<Route>(ok);
    const { ask } = await prepare({ 'GET /v1/things': route });

    const result = await ask({ headers });

    expect(result).toMatchObject({
      statusCode: 401,
      headers: { 'content-type': 'application/problem+json', 'www-authenticate': 'Bearer' },
    });
    expect(route).not.toHaveBeenCalled();
  });

  it.each(['$default', 'constructor', '__proto__'])(
    'answers the route %s, which is none of its own, with 404',
    async (routeKey) => {
      const { ask } = await prepare({ 'GET /v1/things': ok });

      const result = await ask({ routeKey, method: 'PUT', rawPath: '/v1/nothing' });

      expect(result.statusCode).toBe(404);
      expect(JSON.parse(result.body)).toMatchObject({ status: 404, detail: 'there is no PUT /v1/nothing' });
    },
  );

  it('answers a path of ours with 405, and the methods that it takes, when asked by another', async () => {
    const { ask } = await prepare({ 'GET /v1/things': ok });

    const result = await ask({ routeKey: '$default', method: 'PUT', rawPath: '/v1/jobs' });

    expect(result).toMatchObject({ statusCode: 405, headers: { allow: 'GET, POST' } });
    expect(JSON.parse(result.body)).toMatchObject({
      title: 'Method Not Allowed',
      detail: '/v1/jobs takes GET, POST; PUT is none of them',
    });
  });

  it.each<[string, Route, number]>([
    [
      'an error nobody expected',
      async () => {
        throw new Error('secret-table');
      },
      500,
    ],
    [
      'a service that does not answer',
      async () => {
        throw new TransientError('the table does not answer');
      },
      503,
    ],
    [
      'what does not exist',
      async () => {
        throw new NotFoundError('there is no such thing');
      },
      404,
    ],
    ['an answer that is no JSON', async () => ({ status: 200, body: { n: 1n } }), 500],
  ])('never throws, and never answers 200 with an error in it (lesson 49): %s', async (_what, route, status) => {
    const { ask } = await prepare({ 'GET /v1/things': route });

    const result = await ask();

    expect(result.statusCode).toBe(status);
    expect(result.headers?.['content-type']).toBe('application/problem+json');
    expect(result.body).not.toMatch(/secret-table|BigInt|\.ts/);
  });

  it('answers with a problem when its store of keys fails', async () => {
    const { ask, keys } = await prepare({ 'GET /v1/things': ok });
    keys.find = async () => {
      throw new TransientError('the table does not answer');
    };

    expect(await ask()).toMatchObject({ statusCode: 503, headers: { 'retry-after': '10' } });
  });

  it('answers even an event that is no request', async () => {
    const { keys } = await prepare({});
    const handler = apiHandler({ keys, routes: {} });

    const result = await handler({} as APIGatewayProxyEventV2, context);

    expect(result.statusCode).toBe(500);
  });

  it('logs one line of what it did, never a key and never a body (lesson 40)', async () => {
    const { ask } = await prepare({
      'GET /v1/things': ok,
      'POST /v1/things': async () => {
        throw new Error('it broke');
      },
    });

    await ask({ body: 'an input of somebody' });
    await ask({ routeKey: 'POST /v1/things', body: 'an input of somebody' });

    const lines = logged.filter((line) => line.includes('"route"'));
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain('GET /v1/things');
    expect(lines[1]).toContain('it broke');
    expect(logged.join('\n')).not.toMatch(/an input of somebody|shoal_0123456789/);
  });
});
