import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { RepositoryCredentials } from '../../adapters/git/repository-credentials.ts';
import { SmartHttpCodeResolver } from '../../adapters/git/smart-http-code-resolver.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import type { CodeResolver } from '../../core/ports.ts';
import { ulidOf } from '../../test/factories/ids.ts';
import { ManualClock, START } from '../../test/factories/manual-clock.ts';
import { submissionFactory } from '../../test/factories/submission.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryJobMachine } from '../../test/fakes/in-memory-job-machine.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryKeyStore } from '../../test/fakes/in-memory-key-store.ts';
import { InMemoryOfferSource } from '../../test/fakes/in-memory-offer-source.ts';
import { InMemorySecretSource } from '../../test/fakes/in-memory-secret-source.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { InMemoryWaker } from '../../test/fakes/in-memory-waker.ts';
import { apiHandler } from '../http/api-handler.ts';
import { hashApiKey } from '../http/authenticate.ts';
import { submitRoute } from './submit-route.ts';

afterEach(() => vi.restoreAllMocks());

const KEY = 'shoal_0123456789';
const TOKEN = 'github_pat_planted';
const REPOSITORY = 'https://github.com/acme/word-count';

/** The function as it is deployed, on fakes; `git` is what the repository's host does. */
async function prepare(git: typeof fetch, secrets = new InMemorySecretSource({ acme: TOKEN })) {
  const logged: string[] = [];
  for (const method of ['debug', 'info', 'warn', 'error', 'log'] as const) {
    vi.spyOn(console, method).mockImplementation(
      (...lines: unknown[]) => void logged.push(lines.map(String).join(' ')),
    );
  }
  const tables = new InMemoryTables();
  const blobs = new InMemoryBlobStore();
  const machine = new InMemoryJobMachine();
  const waker = new InMemoryWaker();
  const clock = new ManualClock();
  const resolver: CodeResolver = new SmartHttpCodeResolver({
    credentials: new RepositoryCredentials({ secrets, clock }),
    fetch: git,
  });
  const fleets = fleetsOf(fleetsFileSchema.parse({ fleets: { default: { provider: 'aws' } } }));
  const keys = new InMemoryKeyStore();
  await keys.put(hashApiKey(KEY), { keyId: 'key-1', name: 'laptop', createdAt: START });
  const jobs = new InMemoryJobStore(tables);
  const offers = new InMemoryOfferSource([]);
  const onNotEstimated = () => undefined;
  const ports = { jobs, blobs, machine, waker, clock, ulid: () => ulidOf(1), offers, onNotEstimated };
  const rules = { fleets, repositoryHosts: ['github.com'], allowLocalRepositories: false, resolver };
  const handler = apiHandler({ keys, routes: { 'POST /v1/jobs': submitRoute(rules, ports) } });
  const post = async (credential: string | null) => {
    const code = { repository: REPOSITORY, ref: 'main', run: ['true'], credential };
    // A test looks at no more of event and context than the handler does.
    const event = {
      routeKey: 'POST /v1/jobs',
      rawPath: '/v1/jobs',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', 'idempotency-key': 'once' },
      requestContext: { http: { method: 'POST' } },
      body: JSON.stringify(submissionFactory({ code })),
    } as unknown as APIGatewayProxyEventV2;
    return handler(event, { functionName: 'submit', awsRequestId: 'request-1' } as Context);
  };
  const written = () => [tables.jobs.size, tables.idempotency.size, blobs.keys().length, machine.started.size];
  return { post, written, logged, waker };
}

const down: typeof fetch = async () => {
  throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') });
};

describe('a submission whose code cannot be asked for', () => {
  it.each([
    ['the host is down', down],
    ['the host answers 503', async () => new Response('', { status: 503 })],
  ])('because %s is answered with 503 and when to try again; nothing is written', async (_what, git) => {
    const { post, written, waker } = await prepare(git);

    const answer = await post('acme');

    expect(answer.statusCode).toBe(503);
    expect(answer.headers).toMatchObject({ 'content-type': 'application/problem+json', 'retry-after': '10' });
    expect(JSON.parse(answer.body ?? '').detail).toMatch(/^the repository host github\.com .*; try again$/);
    expect(written()).toEqual([0, 0, 0, 0]);
    expect(waker.wakes).toBe(0);
  });

  it('because the store of secrets is down is answered likewise', async () => {
    const secrets = new InMemorySecretSource();
    secrets.unreachable = true;
    const { post, written } = await prepare(down, secrets);

    expect(await post('acme')).toMatchObject({ statusCode: 503, headers: { 'retry-after': '10' } });
    expect(written()).toEqual([0, 0, 0, 0]);
  });

  it('because its credential is not there is told so at its place', async () => {
    const { post, written } = await prepare(down);

    const answer = await post('nobody');

    expect(answer.statusCode).toBe(422);
    expect(JSON.parse(answer.body ?? '').errors).toEqual([
      { path: 'code.credential', message: expect.stringContaining('"nobody"') },
    ]);
    expect(written()).toEqual([0, 0, 0, 0]);
  });

  it('never has its token in an answer or a log line', async () => {
    const base64 = Buffer.from(`x-access-token:${TOKEN}`).toString('base64');
    const shown: string[] = [];
    const echo: typeof fetch = async (...call) => {
      const request = new Request(...call);
      shown.push(request.headers.get('authorization') ?? '');
      throw new Error(`refused ${request.headers.get('authorization')}`);
    };
    const { post, logged } = await prepare(echo);

    const answer = await post('acme');

    expect(shown).toEqual([`Basic ${base64}`]);
    expect(logged.join('\n')).toContain('request failed');
    expect(JSON.stringify([answer, logged])).not.toContain(TOKEN);
    expect(JSON.stringify([answer, logged])).not.toContain(base64);
  });
});
