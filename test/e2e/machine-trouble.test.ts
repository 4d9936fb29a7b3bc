/** Machines that cannot do their work, through no fault of the tasks: the job says why, and nothing is charged for it. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mayMount, mountSmallDisk, unmount } from '../../adapters/local/testing/small-disk.ts';
import { type Pipeline, startPipeline } from '../../local/pipeline.ts';
import { RunDirectory } from '../../local/run-directory.ts';
import { ApiClient, until } from './api-client.ts';
import { processesWith } from './processes.ts';
import { type TaskRepository, taskRepository } from './task-repository.ts';

let folder: string;
let repository: TaskRepository;
let pipeline: Pipeline;
let api: ApiClient;

const job = (url: string, code: Record<string, unknown> = {}) => ({
  code: { repository: url, run: ['sh', 'task.sh'], ...code },
  tasks: [{ input: 1 }, { input: 2 }],
  maxInstances: 1,
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-e2e-trouble-'));
  repository = await taskRepository({ 'task.sh': 'echo some noise >&2; echo 1\n' });
  pipeline = await startPipeline({
    dataDirectory: folder,
    fleets: { default: { idleSeconds: 5, maxInstances: 3 } },
    tickSeconds: 1,
    environment: { LOCAL_SLOTS: '2', GIVE_UP_SECONDS: '10' },
    machineEnvironment: { SHOAL_GRACE_SECONDS: '1' },
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

/** The job's problem within a minute; then the job is cancelled, and its tasks tell what they cost. */
async function troubleOf(jobId: string, api: ApiClient) {
  const problem = await until('the job shows why', 60, async () => (await api.job(jobId)).problem ?? undefined);
  const { statusReason, status, counters } = await api.job(jobId);
  const attempts = await until('an attempt is recorded', 20, async () => {
    const tasks = await Promise.all([0, 1].map((index) => api.task(`${jobId}-${index}`)));
    const ended = tasks.flatMap((task) => task.attempts);
    return ended.length > 0 ? ended : undefined;
  });
  const { instances } = (await api.request('GET', '/v1/instances')).json;
  await api.request('DELETE', `/v1/jobs/${jobId}`);
  await api.untilEnded(jobId);
  return { problem, status, statusReason, counters, attempts, machines: instances.length };
}

describe('a machine', () => {
  it('whose setup fails says so on the job within a minute; no attempt is charged, machines do not multiply', async () => {
    const jobId = await api.submit(job(repository.url, { setup: 'echo there is no compiler here >&2; exit 3' }));

    const { problem, attempts, counters, machines } = await troubleOf(jobId, api);

    expect(problem).toMatchObject({ reason: 'setup failed with exit code 3: there is no compiler here' });
    expect(attempts.map(({ charged, outcome }) => [charged, outcome])).toEqual(attempts.map(() => [false, 'released']));
    expect(counters.failed).toBe(0);
    expect(machines).toBeLessThanOrEqual(2);
  });

  it('whose setup fails, and then the next one, again and again: the job fails for that reason, and machines end', async () => {
    const tasks = Array.from({ length: 12 }, (_, input) => ({ input }));
    const hopeless = { ...job(repository.url, { setup: 'echo never >&2; exit 3' }), tasks, maxInstances: 2 };
    const jobId = await api.submit(hopeless);

    const { status, statusReason, counters } = await api.untilEnded(jobId, 110);

    expect(status).toBe('FAILED');
    expect(statusReason).toMatch(
      /^given up, machines failed \d+ times in a row: setup failed with exit code 3: never: 0 of 12 tasks done$/,
    );
    expect(counters).toEqual({ pending: 0, running: 0, completed: 0, failed: 0, cancelled: 12 });
    const ended = await Promise.all([0, 1].map((index) => api.task(`${jobId}-${index}`)));
    expect(ended.map((task) => [task.status, task.chargedAttempts])).toEqual([0, 1].map(() => ['CANCELLED', 0]));
  });

  it('whose repository vanished says so on the job within a minute, uncharged', async () => {
    const vanishing = await taskRepository({ 'task.sh': 'echo 1\n' });
    const jobId = await api.submit(job(vanishing.url));
    await vanishing.remove();

    const { problem, attempts, counters } = await troubleOf(jobId, api);

    expect(problem.reason).toMatch(/^git fetch failed/);
    expect(attempts.every(({ charged }) => !charged)).toBe(true);
    expect(counters.failed).toBe(0);
  });

  it('in such trouble does not keep other jobs from their end, and what those print can be read', async () => {
    const bad = await api.submit(job(repository.url, { setup: 'exit 1' }));
    const good = await api.submit(job(repository.url));

    expect(await api.untilEnded(good)).toMatchObject({ status: 'COMPLETED', problem: null });

    const log = await api.request('GET', `/v1/tasks/${good}-0/logs`);
    expect(log).toMatchObject({ status: 200, text: expect.stringContaining('some noise\n') });
    expect(log.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    await api.request('DELETE', `/v1/jobs/${bad}`);
    await api.untilEnded(bad);
  });
});

describe('a machine whose disk is full (skipped where nobody may mount a small one)', () => {
  it.skipIf(!mayMount)('says so on the job within a minute, ends, and charges no attempt', async () => {
    const own = await mkdtemp(join(tmpdir(), 'shoal-e2e-disk-'));
    const { instances } = new RunDirectory(own);
    await mkdir(instances);
    expect(mountSmallDisk(instances)).toBe(true);
    const greedy = await taskRepository({ 'task.sh': 'head -c 100000000 /dev/zero > "$HOME/big" || exit 1; echo 1\n' });
    const cramped = await startPipeline({
      dataDirectory: own,
      fleets: { default: { idleSeconds: 5, maxInstances: 3 } },
      tickSeconds: 1,
      environment: { LOCAL_SLOTS: '1' },
      machineEnvironment: { SHOAL_GRACE_SECONDS: '1', SHOAL_MIN_FREE_DISK_MIB: '1' },
    });
    try {
      const client = new ApiClient(cramped.local);
      const jobId = await client.submit(job(greedy.url));

      const { problem, attempts, counters } = await troubleOf(jobId, client);

      expect(problem.reason).toMatch(/^the disk of the machine is full: 0 of 16 MiB are free/);
      expect(attempts.every(({ charged, outcome }) => !charged && outcome === 'released')).toBe(true);
      expect(counters.failed).toBe(0);
      const ended = await until('the machine has ended', 30, async () => {
        const { json } = await client.request('GET', '/v1/instances');
        const machine = json.instances.find((each: { instanceId: string }) => each.instanceId === problem.instanceId);
        return machine?.state === 'READY' ? undefined : true;
      });
      expect(ended).toBe(true);
    } finally {
      await cramped.stop();
      unmount(instances);
      await greedy.remove();
      await rm(own, { recursive: true, force: true });
    }
  });
});
