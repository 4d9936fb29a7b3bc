/** The whole pipeline on this machine, as a user sees it: real HTTP, real queues, real git, real processes. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSqsClient } from '../../adapters/aws/clients.ts';
import { type Pipeline, startPipeline } from '../../local/pipeline.ts';
import { ApiClient, until } from './api-client.ts';
import { processesWith } from './processes.ts';
import { type TaskRepository, taskRepository } from './task-repository.ts';

const COMMANDS = {
  'double.js': `
    const input = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
    console.log('working on', input);
    console.log(JSON.stringify({ double: input.n * 2 }));`,
  'fail.js': `console.error('there is no such file: data.csv'); process.exit(1);`,
  'hang.js': `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`,
  'slow.js': `setTimeout(() => console.log(JSON.stringify({ attempt: process.env.SHOAL_ATTEMPT })), 2500);`,
  'hang-once.js': `
    const { existsSync, readFileSync, writeFileSync } = require('node:fs');
    const { marker } = JSON.parse(readFileSync(0, 'utf8'));
    if (existsSync(marker)) console.log('"done"');
    else { writeFileSync(marker, ''); setInterval(() => {}, 1000); }`,
  'child.sh': '#!/bin/sh\nsleep 4321 &\nwait\n',
  'temporary.js': `
    if (process.env.SHOAL_ATTEMPT === '1') { console.error('the service is busy'); process.exit(75); }
    console.log(JSON.stringify('second time lucky'));`,
  'rows.js': `
    const { n } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
    if (n === null) setInterval(() => {}, 1000);
    else if (n === 3 || n === 11) throw new RangeError('row ' + n + ' is out of range');
    else if (n === 7) { console.error('no such file: /data/' + n + '.csv'); process.exit(2); }
    else console.log(JSON.stringify({ n }));`,
  'environment.js': `console.log(JSON.stringify(Object.keys(process.env).sort()));`,
};

const NO_JOB = 'job_00000000000000000000000000';

let folder: string;
let repository: TaskRepository;
let pipeline: Pipeline;
let api: ApiClient;

const job = (file: string, overrides: Record<string, unknown> = {}) => ({
  name: file,
  code: { repository: repository.url, run: file.endsWith('.sh') ? [`./${file}`] : ['node', file] },
  tasks: [{ input: {} }],
  maxInstances: 2,
  ...overrides,
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-e2e-'));
  repository = await taskRepository(COMMANDS);
  pipeline = await startPipeline({
    dataDirectory: folder,
    fleets: { default: { idleSeconds: 20 }, other: { provider: 'aws', idleSeconds: 20, maxInstances: 10 } },
    tickSeconds: 1,
    reportVisibilitySeconds: 3,
    machineEnvironment: {
      SHOAL_GRACE_SECONDS: '1',
      SHOAL_LEASE_GRACE_SECONDS: '2',
      SHOAL_SETUP_SECONDS: '4',
      SHOAL_CONTROL_SECONDS: '2',
    },
  });
  api = new ApiClient(pipeline.local);
});

afterAll(async () => {
  await pipeline?.stop();
  const left = await processesWith(folder);
  await repository?.remove();
  await rm(folder, { recursive: true, force: true });
  expect(left).toEqual([]);
});

describe('a job', () => {
  it('runs every task once and gives the results in order', async () => {
    const tasks = Array.from({ length: 30 }, (_, n) => ({ key: `n-${n}`, input: { n, text: '😀\u2028\uffff' } }));
    const jobId = await api.submit(job('double.js', { tasks }));

    const ended = await api.untilEnded(jobId);

    expect(ended).toMatchObject({
      status: 'COMPLETED',
      statusReason: null,
      progress: 1,
      counters: { pending: 0, running: 0, completed: 30, failed: 0, cancelled: 0 },
      code: { commit: repository.commit },
    });
    const results = await api.results(jobId);
    expect(results.map(({ key, result }) => [key, result])).toEqual(
      tasks.map(({ key, input }) => [key, { double: input.n * 2 }]),
    );
  });

  it('over two fleets is run by the machines of both, each its share, and counted once', async () => {
    const tasks = Array.from({ length: 20 }, (_, n) => ({ input: { n } }));
    const jobId = await api.submit(job('double.js', { fleet: ['default', 'other'], tasks }));

    const ended = await api.untilEnded(jobId);

    expect(ended).toMatchObject({
      status: 'COMPLETED',
      fleet: ['default', 'other'],
      counters: { pending: 0, running: 0, completed: 20, failed: 0, cancelled: 0 },
      placement: {
        shares: [
          { fleet: 'default', tasks: 10, ended: 10 },
          { fleet: 'other', tasks: 10, ended: 10 },
        ],
        left: [],
      },
    });
    expect((await api.results(jobId)).map(({ result }) => result)).toEqual(tasks.map((_, n) => ({ double: n * 2 })));
    const { instances } = (await api.request('GET', '/v1/instances?fleet=other')).json;
    const others = new Set(instances.map(({ instanceId }: { instanceId: string }) => instanceId));
    const ran = await Promise.all(tasks.map((_, index) => api.task(`${jobId}-${index}`)));
    expect(ran.filter(({ attempts }) => others.has(attempts[0]?.instanceId))).toHaveLength(10);
    expect((await api.request('GET', `/v1/jobs/${jobId}/audit`)).json).toMatchObject({ consistent: true });
  });

  it('says how many tasks failed and why, in words', async () => {
    const common = { timeoutSeconds: 1, retry: { maxAttempts: 1 } };
    const failing = await api.submit(job('fail.js', common));
    const hanging = await api.submit(job('hang.js', common));
    const missing = await api.submit({ ...job('x'), code: { repository: repository.url, run: ['no-such-command'] } });

    const [failed, timedOut, notFound] = await Promise.all([failing, hanging, missing].map((id) => api.untilEnded(id)));

    for (const ended of [failed, timedOut, notFound]) {
      expect(ended).toMatchObject({ status: 'FAILED', statusReason: '1 of 1 task failed, 0 allowed' });
    }
    const { failure: exit } = await api.task(`${failing}-0`);
    expect(exit).toMatchObject({ code: 'exit', exitCode: 1, stderrTail: expect.stringContaining('data.csv') });
    expect(exit?.message).toMatch(/exited with code 1.*data\.csv/);
    expect((await api.task(`${hanging}-0`)).failure?.message).toMatch(/timed out after 1 s/);
    expect((await api.task(`${missing}-0`)).failure?.message).toMatch(/no-such-command.*not found/);
  });

  it('tries again what fails with a temporary exit code, and counts it once', async () => {
    const jobId = await api.submit(job('temporary.js', { retry: { backoffSeconds: 0 } }));

    const ended = await api.untilEnded(jobId);

    expect(ended.counters).toMatchObject({ completed: 1, failed: 0 });
    const task = await api.task(`${jobId}-0`);
    expect(task).toMatchObject({ result: 'second time lucky', attempt: 2 });
    expect(task.attempts.map(({ outcome, exitCode }) => [outcome, exitCode])).toEqual([
      ['failed', 75],
      ['completed', null],
    ]);
  });

  it('shows its command nothing of the machine', async () => {
    const jobId = await api.submit(job('environment.js'));
    await api.untilEnded(jobId);

    const { result } = await api.task(`${jobId}-0`);

    expect(result).toContain('SHOAL_INPUT_FILE');
    expect(result).not.toEqual(expect.arrayContaining([expect.stringMatching(/^AWS_|QUEUE|BUCKET/)]));
  });

  it('is cancelled: what runs is stopped, what waits never starts, every task is counted', async () => {
    const jobId = await api.submit(job('child.sh', { tasks: Array.from({ length: 6 }, () => ({ input: 1 })) }));
    await until('the commands run', 30, async () => ((await processesWith(jobId)).length >= 2 ? true : undefined));

    const answer = await api.request('DELETE', `/v1/jobs/${jobId}`);
    const ended = await api.untilEnded(jobId);

    expect(answer).toMatchObject({ status: 202, json: { jobId, status: 'CANCELLING' } });
    expect(ended.status).toBe('CANCELLED');
    expect(ended.counters).toEqual({ pending: 0, running: 0, completed: 0, failed: 0, cancelled: 6 });
    await until('no process of it is left', 30, async () =>
      (await processesWith(jobId)).length === 0 ? true : undefined,
    );
  });
});

describe('a job of 20 tasks, of which 3 failed for 2 reasons', () => {
  it('tells both, runs one again on a fixed ref, merges the results, and its books balance (lesson 11)', async () => {
    const fixed = await repository.branch('fixed', { 'rows.js': COMMANDS['double.js'] });
    const tasks = Array.from({ length: 20 }, (_, n) => ({ key: `row-${n}`, input: { n } }));
    const jobId = await api.submit(job('rows.js', { tasks }));
    const ended = await api.untilEnded(jobId);
    expect(ended).toMatchObject({ status: 'FAILED', counters: { completed: 17, failed: 3 } });

    const { json: failures } = await api.request('GET', `/v1/jobs/${jobId}/failures`);
    expect(failures).toMatchObject({ failed: 3, counted: 3, truncated: false });
    expect(failures.groups).toMatchObject([
      { count: 2, code: 'exit', exitCode: 1, pattern: 'RangeError: row <n> is out of range' },
      { count: 1, code: 'exit', exitCode: 2, pattern: 'no such file: <path>' },
    ]);
    const [outOfRange, noFile] = failures.groups;
    expect(outOfRange.examples.map(({ key }: { key: string }) => key)).toEqual(['row-3', 'row-11']);
    const { json: ofGroup } = await api.request('GET', noFile.links.tasks);
    expect(ofGroup.tasks).toMatchObject([{ taskId: `${jobId}-7`, key: 'row-7' }]);

    const body = { group: outOfRange.group, ref: 'fixed' };
    const retry = await api.request('POST', `/v1/jobs/${jobId}/retry`, { body });
    expect(retry).toMatchObject({ status: 202, json: { taskCount: 2, retryOf: jobId } });
    const retried = await api.untilEnded(retry.json.jobId);
    expect(retried).toMatchObject({ status: 'COMPLETED', retryOf: jobId, code: { ref: 'fixed', commit: fixed } });
    const rest = await api.request('POST', `/v1/jobs/${jobId}/retry`, {
      body: { tasks: [`${jobId}-7`], ref: 'fixed' },
    });
    await api.untilEnded(rest.json.jobId);

    const merged = await api.results(jobId, 'merged=true');
    expect(merged.map(({ key, status }) => [key, status])).toEqual(tasks.map(({ key }) => [key, 'COMPLETED']));
    expect([2, 3, 7].map((n) => merged[n]?.result)).toEqual([{ n: 2 }, { double: 6 }, { double: 14 }]);
    expect((await api.task(`${retry.json.jobId}-1`)).retryOf).toBe(`${jobId}-11`);
    for (const id of [jobId, retry.json.jobId, rest.json.jobId]) {
      const { json: audit } = await api.request('GET', `/v1/jobs/${id}/audit`);
      expect(audit).toMatchObject({ consistent: true, inFlight: false, differences: [], impossible: [] });
    }
  });

  it('has nothing to run again where nothing failed, and says so', async () => {
    const jobId = await api.submit(job('double.js', { tasks: [{ input: { n: 1 } }] }));
    await api.untilEnded(jobId);

    const answer = await api.request('POST', `/v1/jobs/${jobId}/retry`);

    expect(answer).toMatchObject({ status: 409, json: { detail: 'none of its tasks has failed' } });
  });
});

describe('one task', () => {
  it('is cancelled while it runs: it is over in seconds, and its job is judged by the others', async () => {
    const jobId = await api.submit(job('rows.js', { tasks: [{ input: { n: null } }, { input: { n: 1 } }] }));
    const long = `${jobId}-0`;
    await until('the long task runs', 30, async () => ((await api.task(long)).status === 'RUNNING' ? true : undefined));
    expect(await processesWith(long)).not.toEqual([]);
    const began = Date.now();

    const answer = await api.request('DELETE', `/v1/tasks/${long}`);
    const ended = await api.untilEnded(jobId);

    expect(answer).toMatchObject({ status: 202, json: { taskId: long, status: 'RUNNING', cancelRequested: true } });
    expect(Date.now() - began).toBeLessThan(30_000);
    expect(ended).toMatchObject({
      status: 'COMPLETED',
      statusReason: '1 of 2 tasks cancelled',
      counters: { pending: 0, running: 0, completed: 1, failed: 0, cancelled: 1 },
    });
    expect(await processesWith(long)).toEqual([]);
    expect(await api.request('DELETE', `/v1/tasks/${long}`)).toMatchObject({
      status: 200,
      json: { status: 'CANCELLED' },
    });
  });
});

describe('a machine whose agent is killed with -9', () => {
  it('takes the processes of its task with it; the task runs again elsewhere and is counted once', async () => {
    const jobId = await api.submit(job('slow.js', { tasks: [{ input: 1 }, { input: 2 }], timeoutSeconds: 5 }));
    const victim = await until('a command runs', 30, async () => (await processesWith(`${jobId}-0`))[0]);

    await killAgentOf(victim.pid);

    await until('the command ended with its agent', 5, async () =>
      (await processesWith(`${jobId}-0`)).some(({ pid }) => pid === victim.pid) ? undefined : true,
    );
    const ended = await api.untilEnded(jobId);
    expect(ended).toMatchObject({ status: 'COMPLETED', counters: { completed: 2, failed: 0, pending: 0 } });
    expect((await api.task(`${jobId}-0`)).attempt).toBe(1);
  });

  it('has its long task taken back at once, also when its job has had another priority since', async () => {
    const tasks = [{ input: { marker: join(folder, 'hung') } }];
    const jobId = await api.submit(job('hang-once.js', { tasks, timeoutSeconds: 3_600 }));
    const victim = await until('the command runs', 30, async () => (await processesWith(`${jobId}-0`))[0]);
    await until('that is known', 30, async () =>
      (await api.task(`${jobId}-0`)).status === 'RUNNING' ? true : undefined,
    );
    await api.request('PATCH', `/v1/jobs/${jobId}`, { body: { priority: 'high' } });

    await killAgentOf(victim.pid);

    expect(await api.untilEnded(jobId)).toMatchObject({ status: 'COMPLETED', priority: 'high' });
    expect((await api.task(`${jobId}-0`)).attempts.map(({ outcome }) => outcome)).toEqual(['lost', 'completed']);
  });
});

describe('the status queue', () => {
  it('counts a duplicate once, sets a malformed message apart with its reason, and applies its neighbour', async () => {
    const jobId = await api.submit(job('double.js', { tasks: [{ input: { n: 4 } }] }));
    await api.untilEnded(jobId);
    const sqs = createSqsClient({ endpoint: pipeline.local.sqsUrl, region: pipeline.local.region, credentials: LOCAL });
    const send = (body: string) =>
      sqs.send(new SendMessageCommand({ QueueUrl: pipeline.local.statusQueueUrl, MessageBody: body }));
    const waiting = await api.submit(job('hang.js', { timeoutSeconds: 30, tasks: [{ input: 1 }, { input: 2 }] }));
    const report = (taskId: string) => ({
      kind: 'completed',
      taskId,
      jobId: taskId.replace(/-\d+$/, ''),
      attempt: 1,
      receiveCount: 1,
      leaseId: 'somebody-else',
      instanceId: 'elsewhere',
      at: new Date().toISOString(),
      seconds: 1,
      result: { json: '"forged"' },
    });

    await send('this is not JSON');
    await send(JSON.stringify({ v: 1, source: 'test', events: [report(`${jobId}-0`), report(`${waiting}-1`)] }));
    await send(JSON.stringify({ v: 1, source: 'test', events: [{ kind: 'completed', taskId: 'x' }] }));

    await until('the neighbour is applied', 20, async () =>
      (await api.job(waiting)).counters.completed === 1 ? true : undefined,
    );
    expect((await api.job(jobId)).counters).toEqual({ pending: 0, running: 0, completed: 1, failed: 0, cancelled: 0 });
    expect((await api.task(`${jobId}-0`)).result).toEqual({ double: 8 });
    const letters: string[] = [];
    await until('both malformed messages are dead letters', 20, async () => {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl: pipeline.local.statusDeadQueueUrl, MaxNumberOfMessages: 10 }),
      );
      letters.push(...Messages.map(({ Body = '' }) => JSON.parse(Body).reason));
      return letters.length >= 2 ? true : undefined;
    });
    expect(letters.sort()).toEqual([expect.stringMatching(/jobId: /), 'the body is not JSON']);
    await api.request('DELETE', `/v1/jobs/${waiting}`);
    await api.untilEnded(waiting);
    sqs.destroy();
  });
});

describe('bad input', () => {
  it('gets one problem document that names every fault and its place, and writes nothing', async () => {
    const before = (await api.request('GET', '/v1/jobs')).json.jobs.length;
    const bad = {
      fleet: 'nowhere',
      code: { repository: repository.url, ref: 'no-such-branch', run: [] },
      tasks: [{ key: 'a', input: 1 }, { key: 'a', input: 2 }, { kye: 'b' }],
      timeoutSeconds: 40_000,
      priority: 'urgent',
      colour: 'blue',
    };

    const answer = await api.request('POST', '/v1/jobs', { body: bad });

    expect(answer.status).toBe(422);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.json.errors.map(({ path }: { path: string }) => path).sort()).toEqual([
      'code.ref',
      'code.run',
      'colour',
      'fleet',
      'priority',
      'tasks[1].key',
      'tasks[2].input',
      'tasks[2].kye',
      'timeoutSeconds',
    ]);
    expect(answer.json.errors).toContainEqual({ path: 'priority', message: 'must be one of high, normal, low' });
    expect((await api.request('GET', '/v1/jobs')).json.jobs).toHaveLength(before);
  });

  const good = () => job('double.js');
  it.each([
    ['no tasks', () => ({ ...good(), tasks: [] }), 'tasks'],
    [
      'a bad repository URL',
      () => ({ ...good(), code: { ...good().code, repository: 'git@github.com:a/b' } }),
      'code.repository',
    ],
    [
      'another host',
      () => ({ ...good(), code: { ...good().code, repository: 'https://evil.example/a/b' } }),
      'code.repository',
    ],
    ['an option-like ref', () => ({ ...good(), code: { ...good().code, ref: '--upload-pack=x' } }), 'code.ref'],
    ['an unknown ref', () => ({ ...good(), code: { ...good().code, ref: 'nope' } }), 'code.ref'],
    [
      'a repository that is not there',
      () => ({ ...good(), code: { ...good().code, repository: 'file:///nowhere' } }),
      'code.repository',
    ],
  ])('refuses %s', async (_what, body, path) => {
    const answer = await api.request('POST', '/v1/jobs', { body: body() });

    expect(answer.status).toBe(422);
    expect(answer.json.errors.map((error: { path: string }) => error.path)).toEqual([path]);
  });

  it.each([
    ['a body of 3 MB', 413, () => api.request('POST', '/v1/jobs', { body: { name: 'x'.repeat(3_000_000) } })],
    ['malformed JSON', 400, () => api.request('POST', '/v1/jobs', { body: '{"name":' })],
    [
      'a wrong content type',
      415,
      () => api.request('POST', '/v1/jobs', { body: '{}', headers: { 'content-type': 'text/plain' } }),
    ],
    ['a number that would change', 422, () => api.request('POST', '/v1/jobs', { body: '{"tasks":[{"input":1e400}]}' })],
    ['another method', 405, () => api.request('PUT', '/v1/jobs', { body: {} })],
    ['an unknown route', 404, () => api.request('GET', '/v2/anything')],
    ['an unknown job', 404, () => api.request('GET', `/v1/jobs/${NO_JOB}`)],
    ['an id that is none', 404, () => api.request('GET', "/v1/tasks/'; drop table")],
    ['a task to cancel that is none', 404, () => api.request('DELETE', '/v1/tasks/all')],
    ['an unknown task to cancel', 404, () => api.request('DELETE', `/v1/tasks/${NO_JOB}-0`)],
    ['a job to retry that is none', 404, () => api.request('POST', '/v1/jobs/all/retry', { body: {} })],
    ['a retry that is no JSON', 400, () => api.request('POST', `/v1/jobs/${NO_JOB}/retry`, { body: '{' })],
    ['failures of no job', 404, () => api.request('GET', `/v1/jobs/${NO_JOB}/failures`)],
    ['an unknown group', 422, () => api.request('GET', `/v1/jobs/${NO_JOB}/failures?group=x&colour=blue`)],
    ['a forged cursor of an audit', 422, () => api.request('GET', `/v1/jobs/${NO_JOB}/audit?cursor=x`)],
    ['no key', 401, () => api.request('GET', '/v1/jobs', { key: null })],
    ['a wrong key', 401, () => api.request('GET', '/v1/jobs', { key: 'shoal_wrong' })],
    ['a bad query', 422, () => api.request('GET', '/v1/jobs?limit=0&colour=blue')],
  ])('answers %s with %i and a problem document', async (_what, status, ask) => {
    const answer = await ask();

    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ status, title: expect.any(String), detail: expect.any(String) });
    expect(answer.text).not.toMatch(/ at .*\.[mt]?js/);
  });

  it('is told apart from the same request sent twice', async () => {
    const headers = { 'idempotency-key': 'once' };
    const first = await api.request('POST', '/v1/jobs', { body: good(), headers });
    const again = await api.request('POST', '/v1/jobs', { body: good(), headers });
    const other = await api.request('POST', '/v1/jobs', { body: { ...good(), name: 'other' }, headers });

    expect(again).toMatchObject({ status: 202, json: first.json });
    expect(other.status).toBe(422);
    await api.untilEnded(first.json.jobId);
  });
});

const LOCAL = { accessKeyId: 'local', secretAccessKey: 'local' };

async function killAgentOf(command: number): Promise<void> {
  const owner = await parentOf(command);
  const agents = (await processesWith('agent.mjs')).filter((each) => each.command.includes('agent.mjs'));
  const agent = agents.find(({ pid }) => pid === owner);
  if (!agent) throw new Error('the command has no agent');
  process.kill(agent.pid, 'SIGKILL');
}

async function parentOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}
