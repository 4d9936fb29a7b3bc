/** A machine of somebody's own: nobody launches it, it joins by itself with what `npm run machine` prints, and leaves by SIGTERM. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Instance } from '../../core/instance.ts';
import { type Pipeline, startPipeline } from '../../local/pipeline.ts';
import { PROJECT_ROOT } from '../../local/project-root.ts';
import { ApiClient, until } from './api-client.ts';
import { processesWith } from './processes.ts';
import { type TaskRepository, taskRepository } from './task-repository.ts';

const run = promisify(execFile);
const node = (...parameters: string[]) => run(process.execPath, parameters, { cwd: PROJECT_ROOT });

/** The first attempt of a long task hangs; the next one finds what it left. */
const TASK = `
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
const { n, long } = JSON.parse(readFileSync(0, 'utf8'));
const checkpoint = process.env.SHOAL_CHECKPOINT_FILE;
const done = existsSync(checkpoint) ? readFileSync(checkpoint, 'utf8') : '';
if (long && !done) {
  process.on('SIGTERM', () => { writeFileSync(checkpoint, 'half of it'); process.exit(143); });
  setInterval(() => {}, 1_000);
} else console.log(JSON.stringify({ double: 2 * n, done }));
`;

let folder: string;
let repository: TaskRepository;
let pipeline: Pipeline;
let api: ApiClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-e2e-own-'));
  repository = await taskRepository({ 'task.mjs': TASK });
  pipeline = await startPipeline({
    dataDirectory: folder,
    fleets: { own: { provider: 'external', idleSeconds: 1 } },
    tickSeconds: 1,
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

const job = (inputs: readonly unknown[]) => ({
  fleet: 'own',
  code: { repository: repository.url, run: ['node', 'task.mjs'] },
  tasks: inputs.map((input) => ({ input })),
});

const instances = async (): Promise<Instance[]> => (await api.request('GET', '/v1/instances?fleet=own')).json.instances;

/** As a shell would: nothing but the file, and how to find programs. */
function start(script: string, environmentFile: string) {
  const machine = spawn('bash', ['-c', `set -a; . "${environmentFile}"; exec bash "${script}"`], {
    env: { PATH: process.env['PATH'] ?? '', HOME: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Nobody reads it, but it must be able to write.
  machine.stdout.resume();
  return { leave: () => machine.kill('SIGTERM'), ended: once(machine, 'close').then(([code]) => code as number) };
}

it('joins, works, waits for more, and leaves by SIGTERM; what it held goes on where it joins again', async () => {
  const jobId = await api.submit(job(Array.from({ length: 12 }, (_, n) => ({ n }))));
  await until('the job says that nobody has joined', 20, async () =>
    (await api.job(jobId)).problem?.reason.includes('none of your own machines has joined') ? true : undefined,
  );
  expect(await instances()).toEqual([]);

  const printed = await node('cli/machine.ts', '--fleet', 'own', '--local', '--data', folder, '--env');
  const environmentFile = join(folder, 'shoal.env');
  // A shutdown waits for the poll in flight.
  await writeFile(environmentFile, `${printed.stdout}SHOAL_POLL_SECONDS=1\n`);
  const machine = start(join(PROJECT_ROOT, 'worker-bootstrap/bootstrap.sh'), environmentFile);

  expect(await api.untilEnded(jobId)).toMatchObject({
    status: 'COMPLETED',
    counters: { pending: 0, running: 0, completed: 12, failed: 0, cancelled: 0 },
  });
  const results = await api.results(jobId);
  expect(results.map(({ result }) => result)).toEqual(
    Array.from({ length: 12 }, (_, n) => ({ double: 2 * n, done: '' })),
  );
  const [joined] = await instances();
  expect(joined).toMatchObject({ state: 'READY', provider: 'external', hourlyPriceUsd: 0 });

  // Longer than the fleet's idleSeconds: a machine that waits for ever is still there.
  const second = await until('the machine has been idle for long enough', 20, async () => {
    const idle = Date.now() - Date.parse(joined?.readyAt ?? '');
    return idle > 2_500 ? api.submit(job([{ n: 1, long: true }, { n: 2 }])) : undefined;
  });
  await until('the long task runs, the other is done', 30, async () => {
    const { running, completed } = (await api.job(second)).counters;
    return running === 1 && completed === 1 ? true : undefined;
  });
  expect((await instances()).map(({ instanceId, state }) => [instanceId, state])).toEqual([
    [joined?.instanceId, 'READY'],
  ]);

  machine.leave();
  expect(await machine.ended).toBe(0);
  await until('its goodbye is heard', 20, async () =>
    (await instances()).every(({ state }) => state === 'TERMINATED') ? true : undefined,
  );
  expect(await instances()).toMatchObject([{ instanceId: joined?.instanceId, stateReason: 'SIGTERM' }]);
  // The two reports are of different things: neither waits for the other.
  const { counters } = await until('what it held is given back', 20, async () => {
    const ofJob = await api.job(second);
    return ofJob.counters.running === 0 ? ofJob : undefined;
  });
  expect(counters).toEqual({ pending: 1, running: 0, completed: 1, failed: 0, cancelled: 0 });

  // Again, as the container image starts it.
  const image = join(folder, 'image');
  await mkdir(image);
  await node('cli/build-agent.ts', image);
  await copyFile(join(PROJECT_ROOT, 'deploy/docker/entrypoint.sh'), join(image, 'entrypoint.sh'));
  const again = start(join(image, 'entrypoint.sh'), environmentFile);

  expect(await api.untilEnded(second)).toMatchObject({
    status: 'COMPLETED',
    counters: { pending: 0, running: 0, completed: 2, failed: 0, cancelled: 0 },
  });
  const resumed = await api.task(`${second}-0`);
  expect(resumed).toMatchObject({ attempt: 2, result: { double: 2, done: 'half of it' } });
  expect(resumed.attempts.map(({ outcome }) => outcome)).toEqual(['released', 'completed']);
  again.leave();
  expect(await again.ended).toBe(0);

  const machines = await until('both lives have ended', 20, async () => {
    const all = await instances();
    return all.length === 2 && all.every(({ state }) => state === 'TERMINATED') ? all : undefined;
  });
  const names = machines.map(({ instanceId }) => instanceId.slice(0, -9));
  expect(new Set(names).size).toBe(1);
  for (const id of [jobId, second]) {
    const { json: audit } = await api.request('GET', `/v1/jobs/${id}/audit`);
    expect(audit).toMatchObject({ consistent: true, inFlight: false, differences: [], impossible: [] });
  }
  const { json: fleet } = await api.request('GET', '/v1/fleets/own');
  expect(fleet.days).toMatchObject([{ machines: 2, costUsd: 0 }]);
});
