import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InvokeCommand, LambdaClient, ResourceNotFoundException } from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LOCAL_CREDENTIALS } from './function-environment.ts';
import { FunctionHost } from './host.ts';
import { type TestStack, writeTestStack } from './test-stack.ts';

const functions = {
  echo: {
    source: `let count = 0;
      export const handler = async (event, context) => ({
        event, count: ++count, name: process.env.AWS_LAMBDA_FUNCTION_NAME, of: process.env.OF, remaining: context.getRemainingTimeInMillis(),
      });`,
    properties: {
      ReservedConcurrentExecutions: 1,
      Environment: { Variables: { OF: { 'Fn::GetAtt': ['echo', 'Arn'] } } },
    },
    routes: ['GET /echo/{id}', 'POST /echo', '$default'],
  },
  answers: {
    source: 'export const handler = async (event) => JSON.parse(event.body);',
    routes: ['POST /answers'],
  },
  throws: {
    source: `class Odd extends Error { name = 'Odd'; } export const handler = async () => { console.log('about to throw'); throw new Odd('no'); };`,
    routes: ['GET /throws'],
  },
  hangs: {
    source:
      'export const handler = async (event) => event.hang ? new Promise(() => setInterval(() => {}, 1000)) : "fine";',
    properties: { Timeout: 0.3 },
  },
  spins: { source: 'export const handler = async () => { for (;;); };', properties: { Timeout: 0.3 } },
  exits: { source: 'export const handler = async (event) => event.go ? process.exit(3) : "still here";' },
  rejects: {
    source:
      'export const handler = () => { void Promise.reject(new TypeError("later")); return new Promise(() => {}); };',
  },
  broken: { source: 'throw new Error("module does not load");' },
  empty: { source: 'export const other = 1;' },
  slow: {
    source: `let running = 0;
      export const handler = async () => { running += 1; await new Promise((r) => setTimeout(r, 30)); const seen = running; running -= 1; return seen; };`,
  },
} as const;

let stack: TestStack;
let host: FunctionHost;
let lambda: LambdaClient;

beforeAll(async () => {
  stack = await writeTestStack(functions);
  host = await FunctionHost.listen({ api: 0, lambda: 0 });
  await host.configure(stack.configuration, () => undefined);
  lambda = new LambdaClient({
    endpoint: host.lambdaUrl,
    region: 'us-east-1',
    credentials: { ...LOCAL_CREDENTIALS },
    maxAttempts: 1,
  });
});
afterAll(async () => {
  await host.stop();
  await stack[Symbol.asyncDispose]();
});

async function invoke(name: string, event: unknown = {}): Promise<{ error: string | undefined; payload: unknown }> {
  const answer = await lambda.send(new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event) }));
  const text = Buffer.from(answer.Payload ?? []).toString();
  return { error: answer.FunctionError, payload: JSON.parse(text) };
}

describe('the invoke front', () => {
  it('runs a function by name and by ARN, in its own environment, and keeps it warm', async () => {
    const first = await invoke('test-echo', { n: 1 });
    const second = await invoke('arn:aws:lambda:us-east-1:000000000000:function:test-echo', { n: 2 });
    expect(first.payload).toMatchObject({
      event: { n: 1 },
      name: 'test-echo',
      of: expect.stringContaining('function:test-echo'),
    });
    expect(second.payload).toMatchObject({ event: { n: 2 }, count: (first.payload as { count: number }).count + 1 });
  });

  it('reports a thrown error as Lambda does and writes it to the log', async () => {
    const { error, payload } = await invoke('test-throws');
    expect(error).toBe('Unhandled');
    expect(payload).toMatchObject({
      errorType: 'Odd',
      errorMessage: 'no',
      trace: expect.arrayContaining([expect.stringContaining('handler.mjs')]),
    });
    const log = join(stack.configuration.logsDirectory, 'functions', 'throws.log');
    await expect.poll(() => readFile(log, 'utf8')).toMatch(/about to throw[\s\S]*"errorType":"Odd"/);
  });

  it.each(['hangs', 'spins'])('ends a function that runs into its timeout (%s)', async (name) => {
    const { error, payload } = await invoke(`test-${name}`, { hang: true });
    expect(error).toBe('Unhandled');
    expect(payload).toMatchObject({ errorMessage: expect.stringMatching(/Task timed out after 0\.30 seconds/) });
  });

  it('serves the next invocation with a new environment after a timeout', async () => {
    await invoke('test-hangs', { hang: true });
    expect(await invoke('test-hangs')).toEqual({ error: undefined, payload: 'fine' });
  });

  it('outlives a function that ends its process', async () => {
    const { payload } = await invoke('test-exits', { go: true });
    expect(payload).toMatchObject({ errorType: 'Runtime.ExitError', errorMessage: expect.stringContaining('3') });
    expect(await invoke('test-exits')).toMatchObject({ payload: 'still here' });
  });

  it.each([
    ['rejects', /later/],
    ['broken', /module does not load/],
    ['empty', /does not export a function named handler/],
  ])('reports what happens outside the handler (%s)', async (name, message) => {
    expect(await invoke(`test-${name}`)).toMatchObject({
      error: 'Unhandled',
      payload: { errorMessage: expect.stringMatching(message) },
    });
  });

  it('gives each environment one invocation at a time', async () => {
    const seen = await Promise.all(Array.from({ length: 6 }, () => invoke('test-slow')));
    expect(seen.map((each) => each.payload)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('takes an asynchronous invocation at once, and tries a failing one three times', async () => {
    const before = await logLines('throws');
    const answer = await lambda.send(new InvokeCommand({ FunctionName: 'test-throws', InvocationType: 'Event' }));
    expect(answer.StatusCode).toBe(202);
    await expect.poll(async () => (await logLines('throws')) - before, { timeout: 10_000 }).toBe(3);
  });

  it('does not know other functions', async () => {
    await expect(invoke('test-nobody')).rejects.toThrow(ResourceNotFoundException);
  });
});

async function logLines(name: string): Promise<number> {
  const text = await readFile(join(stack.configuration.logsDirectory, 'functions', `${name}.log`), 'utf8');
  return text.split('\n').filter((line) => line.includes('"Invoke Error"')).length;
}

describe('the HTTP front', () => {
  it('hands a request over in payload format 2.0', async () => {
    const response = await fetch(`${host.apiUrl}/echo/a%20b?x=1&x=2&y=%26`, {
      headers: { 'X-Mixed': 'Case', cookie: 'a=1; b=2' },
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      event: {
        version: '2.0',
        routeKey: 'GET /echo/{id}',
        rawPath: '/echo/a b',
        rawQueryString: 'x=1&x=2&y=%26',
        queryStringParameters: { x: '1,2', y: '&' },
        pathParameters: { id: 'a b' },
        cookies: ['a=1', 'b=2'],
        headers: { 'x-mixed': 'Case' },
        requestContext: {
          time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
          http: { method: 'GET', path: '/echo/a b' },
          stage: '$default',
        },
        isBase64Encoded: false,
      },
    });
  });

  it('hands text over as it is and everything else in base64', async () => {
    const json = { method: 'POST', body: '{"ü":1}', headers: { 'content-type': 'application/json; charset=utf-8' } };
    const form = { method: 'POST', body: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    const answers = await Promise.all(
      [json, form].map(async (init) => (await fetch(`${host.apiUrl}/echo`, init)).json()),
    );
    expect(answers[0]).toMatchObject({ event: { body: '{"ü":1}', isBase64Encoded: false } });
    expect(answers[1]).toMatchObject({ event: { body: Buffer.from('a=1').toString('base64'), isBase64Encoded: true } });
  });

  it('sends what no route takes to $default', async () => {
    const response = await fetch(`${host.apiUrl}/nowhere`, { method: 'PUT' });
    expect(await response.json()).toMatchObject({ event: { routeKey: '$default', rawPath: '/nowhere' } });
  });

  it('answers as the function says', async () => {
    const answer = {
      statusCode: 201,
      headers: { 'X-A': 1 },
      cookies: ['c=1', 'd=2'],
      body: Buffer.from('ä').toString('base64'),
      isBase64Encoded: true,
    };
    const response = await fetch(`${host.apiUrl}/answers`, { method: 'POST', body: JSON.stringify(answer) });
    expect(response.status).toBe(201);
    expect(response.headers.get('x-a')).toBe('1');
    expect(response.headers.getSetCookie()).toEqual(['c=1', 'd=2']);
    expect(await response.text()).toBe('ä');
  });

  it.each([
    [{ statusCode: 'many' }],
    [{ statusCode: 200, body: { not: 'text' } }],
    [{ statusCode: 200, headers: ['x'] }],
  ])('answers 500, as AWS does, when the answer is malformed: %j', async (answer) => {
    const response = await fetch(`${host.apiUrl}/answers`, { method: 'POST', body: JSON.stringify(answer) });
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ message: 'Internal Server Error' });
  });

  it('answers 500 and nothing of the error when a function throws', async () => {
    const response = await fetch(`${host.apiUrl}/throws`);
    expect(response.status).toBe(500);
    expect(await response.text()).toBe('{"message":"Internal Server Error"}');
  });

  it('refuses a body that API Gateway or Lambda would refuse', async () => {
    const statuses = [11, 7, 5].map(async (mebibytes) => {
      const body = 'x'.repeat(mebibytes * 1024 * 1024);
      const response = await fetch(`${host.apiUrl}/echo`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'text/plain' },
      });
      await response.arrayBuffer();
      return response.status;
    });
    expect(await Promise.all(statuses)).toEqual([413, 413, 200]);
  });
});

describe('ports', () => {
  it('names the service whose port is taken', async () => {
    const port = Number(new URL(host.apiUrl).port);
    await expect(FunctionHost.listen({ api: port, lambda: 0 })).rejects.toThrow(
      `api: port ${port} on 127.0.0.1 is already in use`,
    );
  });
});
