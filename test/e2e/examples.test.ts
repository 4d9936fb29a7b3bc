/** Every example as a user would run it: its own repository, its own job.json, results held against what is right. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskDetail } from '../../functions/query/task-view.ts';
import { type Pipeline, startPipeline } from '../../local/pipeline.ts';
import { PROJECT_ROOT } from '../../local/project-root.ts';
import { ApiClient, until } from './api-client.ts';
import { type PackageRegistry, packageRegistry } from './package-registry.ts';
import { type TaskRepository, taskRepository } from './task-repository.ts';

const EXAMPLES = join(PROJECT_ROOT, 'examples');
const NAMES = ['word-count', 'matrix', 'fetch-and-hash', 'resize-images', 'statistics', 'long-simulation'] as const;
type Name = (typeof NAMES)[number];

/** Two examples are written in Python; where there is none, vitest lists their tests as skipped. */
const HAS_PYTHON = spawnSync('python3', ['--version']).status === 0;

// biome-ignore lint/suspicious/noExplicitAny: inputs and results differ from example to example
type Json = any;
interface Job {
  readonly code: Readonly<Record<string, Json>>;
  readonly tasks: readonly { readonly key: string; readonly input: Json }[];
}

const CODEC_VERSION = '7.0.0';
/** What the API answers, by path. */
const ANSWERS: Readonly<Record<string, string>> = {
  '/small': 'ok',
  '/large': 'x'.repeat(300_000),
  '/flaky': 'at last',
};

let folder: string;
let pipeline: Pipeline;
let api: ApiClient;
let registry: PackageRegistry;
let website: Server;
const repositories: TaskRepository[] = [];
const jobs = new Map<Name, { readonly job: Job; readonly jobId: string }>();

async function filesOf(name: Name): Promise<Record<string, string>> {
  const files = (await readdir(join(EXAMPLES, name), { withFileTypes: true })).filter((each) => each.isFile());
  const texts = files.map(
    async (file) => [file.name, await readFile(join(EXAMPLES, name, file.name), 'utf8')] as const,
  );
  return Object.fromEntries(await Promise.all(texts));
}

/** The one thing of an example that is not as users have it: packing gives other bytes than the registry's own. */
function withIntegrity(files: Record<string, string>, integrity: string): Record<string, string> {
  const lock: string = files['package-lock.json'] ?? '';
  return { ...files, 'package-lock.json': lock.replace(/"integrity": "[^"]+"/, `"integrity": "${integrity}"`) };
}

/** What the world gives each example here, in place of what its job.json says. */
function adapted(name: Name, job: Job): Job & Record<string, Json> {
  const address = `http://127.0.0.1:${(website.address() as AddressInfo).port}`; // it listens on a port
  const input = (change: object) => job.tasks.map((task) => ({ ...task, input: { ...task.input, ...change } }));
  switch (name) {
    case 'word-count':
      return { ...job, tasks: input({ sleep: 0 }).slice(0, 8) };
    case 'fetch-and-hash': {
      const tasks = ['/small', '/large', '/flaky', '/missing'].map((path) => ({ key: path.slice(1), input: { path } }));
      const retry = { maxAttempts: 3, backoffSeconds: 0 };
      return { ...job, code: { ...job.code, env: { API_URL: address } }, tasks, retry, allowedFailures: 1 };
    }
    case 'resize-images': {
      const quiet = { npm_config_audit: 'false', npm_config_fund: 'false', npm_config_update_notifier: 'false' };
      return { ...job, code: { ...job.code, env: { npm_config_registry: registry.url, ...quiet } } };
    }
    case 'long-simulation':
      return { ...job, tasks: input({ steps: 500_000 }) };
    case 'matrix':
    case 'statistics':
      return { ...job };
  }
}

async function submit(name: Name): Promise<void> {
  const files = await filesOf(name);
  const repository = await taskRepository(name === 'resize-images' ? withIntegrity(files, registry.integrity) : files);
  repositories.push(repository);
  const job = adapted(name, JSON.parse(files['job.json'] ?? ''));
  const code = { ...job.code, repository: repository.url };
  jobs.set(name, { job, jobId: await api.submit({ ...job, code }) });
}

/** Ended, every task completed (or as many as are said to fail): the results by key. */
async function resultsOf(name: Name, failed = 0): Promise<Map<string, TaskDetail & { result: Json }>> {
  const { job, jobId } = jobs.get(name)!;
  const ended = await api.untilEnded(jobId, 50);
  const results = await api.results(jobId);
  expect({ status: ended.status, reason: ended.statusReason, counters: ended.counters }).toEqual({
    status: 'COMPLETED',
    reason: failed > 0 ? expect.any(String) : null,
    counters: { pending: 0, running: 0, completed: job.tasks.length - failed, failed, cancelled: 0 },
  });
  expect(results.map(({ key }) => key)).toEqual(job.tasks.map(({ key }) => key));
  return new Map(results.map((each) => [each.key ?? '', each as TaskDetail & { result: Json }])); // looked into below
}

const inputsOf = (name: Name) => jobs.get(name)!.job.tasks;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-e2e-examples-'));
  const flaky = { asked: 0 };
  website = createServer((request, response) => {
    const text = ANSWERS[request.url ?? ''];
    if (request.url === '/flaky' && ++flaky.asked === 1) response.writeHead(503).end('later');
    else if (text === undefined) response.writeHead(404).end();
    else response.setHeader('content-type', 'text/plain; charset=utf-8').end(text);
  });
  await new Promise<void>((resolve) => website.listen(0, '127.0.0.1', resolve));
  [registry, pipeline] = await Promise.all([
    packageRegistry('pngjs', CODEC_VERSION),
    startPipeline({
      dataDirectory: folder,
      fleets: { default: { idleSeconds: 20, maxInstances: 2 } },
      tickSeconds: 1,
      machineEnvironment: { SHOAL_GRACE_SECONDS: '1' },
    }),
  ]);
  api = new ApiClient(pipeline.local);
  await Promise.all(NAMES.map(submit));
});

afterAll(async () => {
  await pipeline?.stop();
  await registry?.stop();
  website?.close();
  await Promise.all(repositories.map((each) => each.remove()));
  await rm(folder, { recursive: true, force: true });
});

describe('an example', () => {
  it.each(NAMES)('%s is a small repository with a job, a README and no folder', async (name) => {
    const entries = await readdir(join(EXAMPLES, name), { withFileTypes: true });

    const names = entries.map((each) => each.name);
    expect(names).toEqual(expect.arrayContaining(['README.md', 'job.json']));
    // What a try by hand leaves behind is in .gitignore.
    const folders = entries.filter((each) => each.isDirectory()).map((each) => each.name);
    expect(folders.filter((each) => !['node_modules', 'images'].includes(each))).toEqual([]);
    const readme = await readFile(join(EXAMPLES, name, 'README.md'), 'utf8');
    for (const file of names.filter((each) => /\.(?:js|py|csv|json)$/.test(each) && each !== 'package.json')) {
      expect(readme).toContain(`\`${file}\``);
    }
  });
});

describe('word-count', () => {
  it('counts words', async () => {
    const results = await resultsOf('word-count');

    expect(results.get('hamlet')?.result).toMatchObject({
      words: 25,
      top: [
        ['the', 3],
        ['to', 3],
        ['be', 2],
      ],
    });
    expect(results.get('sonnet-18')?.result).toMatchObject({ words: 15 });
  });
});

/** The generator of the example, in whole numbers of any size. */
function matrixOf(size: number, seed: number): (row: number, column: number) => number {
  const values: number[] = [];
  let state = BigInt(seed);
  for (let n = 0; n < size * size; n += 1) {
    state = (state * 1_664_525n + 1_013_904_223n) % 2n ** 32n;
    values.push(Number(state >> 28n));
  }
  return (row, column) => values[row * size + column] ?? Number.NaN;
}

describe('matrix', () => {
  it('multiplies: trace and sum are those that follow without multiplying', async () => {
    const results = await resultsOf('matrix');

    for (const { key, input } of inputsOf('matrix')) {
      const { size, seed } = input;
      const [a, b] = [matrixOf(size, seed), matrixOf(size, seed + 1)];
      const all = Array.from({ length: size }, (_, n) => n);
      const total = (of: (i: number, j: number) => number) =>
        all.reduce((sum, i) => sum + all.reduce((inner, j) => inner + of(i, j), 0), 0);
      // tr(AB) = Σ aᵢⱼ bⱼᵢ, and the sum of AB is that of A's columns times B's rows.
      const trace = total((i, j) => a(i, j) * b(j, i));
      const columns = all.map((k) => all.reduce((sum, i) => sum + a(i, k), 0));
      const rows = all.map((k) => all.reduce((sum, j) => sum + b(k, j), 0));
      const sum = all.reduce((whole, k) => whole + (columns[k] ?? 0) * (rows[k] ?? 0), 0);
      expect(results.get(key)?.result).toEqual({ size, trace, sum });
    }
  });
});

describe.runIf(HAS_PYTHON)('fetch-and-hash', () => {
  it('hashes what the API answers, tries again what may pass, and fails what will not', async () => {
    const results = await resultsOf('fetch-and-hash', 1);

    for (const key of ['small', 'large', 'flaky']) {
      const text = ANSWERS[`/${key}`] ?? '';
      const sha256 = createHash('sha256').update(text).digest('hex');
      const expected = { status: 200, contentType: 'text/plain', bytes: text.length, sha256 };
      expect(results.get(key)?.result).toMatchObject(expected);
    }
    expect(results.get('flaky')?.attempt).toBe(2);
    const missing = results.get('missing');
    expect(missing).toMatchObject({ status: 'FAILED', attempt: 1, failure: { exitCode: 1 } });
    expect(missing?.failure?.message).toContain('/missing answers 404');
  });
});

interface Image {
  readonly width: number;
  readonly height: number;
  readonly data: Buffer;
}
const { PNG } = createRequire(import.meta.url)('pngjs') as { PNG: { sync: { read(file: Buffer): Image } } }; // it has no types

describe('resize-images', () => {
  it('installs its codec by npm ci, and gives smaller images of the right colours', async () => {
    const results = await resultsOf('resize-images');

    const image = (key: string): Image => PNG.sync.read(Buffer.from(results.get(key)?.result.png, 'base64'));
    const colour = ({ width, data }: Image, x: number, y: number) => [
      ...data.subarray((y * width + x) * 4).subarray(0, 4),
    ];
    const sizes = ['gradient', 'checks', 'stripes', 'flat'].map((key) => [image(key).width, image(key).height]);
    expect(sizes).toEqual([
      [8, 6],
      [10, 10],
      [16, 4],
      [1, 3],
    ]);
    expect(colour(image('flat'), 0, 2)).toEqual([12, 34, 56, 255]);
    // Four by four fields of black and white are grey; four of eight stripes keep their colour.
    expect(colour(image('checks'), 9, 9)).toEqual([128, 128, 128, 255]);
    expect([colour(image('stripes'), 0, 0), colour(image('stripes'), 1, 0)]).toEqual([
      [200, 40, 40, 255],
      [40, 40, 200, 255],
    ]);
    // The mean of 32 to 56, and of 0 to 30.
    expect(colour(image('gradient'), 1, 0)).toEqual([44, 15, 128, 255]);
    expect(registry.requests).toContain(`GET /pngjs/-/pngjs-${CODEC_VERSION}.tgz`);
  });

  it('locks the very package that this project has installed', async () => {
    const lockOf = async (path: string) => JSON.parse(await readFile(join(PROJECT_ROOT, path), 'utf8')).packages;
    const [ours, theirs] = await Promise.all([
      lockOf('package-lock.json'),
      lockOf('examples/resize-images/package-lock.json'),
    ]);

    const { version, integrity } = theirs['node_modules/pngjs'];
    expect({ version, integrity }).toEqual({
      version: CODEC_VERSION,
      integrity: ours['node_modules/pngjs'].integrity,
    });
  });
});

describe.runIf(HAS_PYTHON)('statistics', () => {
  it('estimates each figure of the data, within an interval of a plausible width', async () => {
    const results = await resultsOf('statistics');

    const rows = (await readFile(join(EXAMPLES, 'statistics', 'data.csv'), 'utf8')).trim().split('\n').slice(1);
    for (const group of ['control', 'treated']) {
      const values = rows.filter((row) => row.startsWith(`${group},`)).map((row) => Number(row.split(',')[1]));
      values.sort((one, other) => one - other);
      const n = values.length;
      const mean = values.reduce((sum, value) => sum + value, 0) / n;
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1));
      const median = ((values[n / 2 - 1] ?? 0) + (values[n / 2] ?? 0)) / 2;
      for (const [statistic, figure] of Object.entries({ mean, median, deviation })) {
        const { result } = results.get(`${group}/${statistic}`)!;
        expect(result).toMatchObject({ group, statistic, n, estimate: expect.closeTo(figure, 9) });
        expect(result.low).toBeLessThan(figure);
        expect(result.high).toBeGreaterThan(figure);
      }
      // For a mean the bootstrap comes near the textbook: ± 1.96 standard errors.
      const { low, high } = results.get(`${group}/mean`)!.result;
      const textbook = (2 * 1.96 * deviation) / Math.sqrt(n);
      expect((high - low) / textbook).toBeGreaterThan(0.85);
      expect((high - low) / textbook).toBeLessThan(1.15);
    }
  });
});

/** Runs the simulation without Shoal; `interrupt` ends it by SIGTERM as soon as it has said that it goes on. */
async function simulate(input: Json, checkpoint: string | undefined, interrupt: boolean) {
  const env = { PATH: process.env['PATH'], ...(checkpoint ? { SHOAL_CHECKPOINT_FILE: checkpoint } : {}) };
  const child = spawn('node', [join(EXAMPLES, 'long-simulation', 'simulate.js')], { env });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (interrupt) child.kill('SIGTERM');
  });
  child.stdin.end(JSON.stringify(input));
  const [code] = await once(child, 'close');
  return { code, last: stdout.trim().split('\n').at(-1) ?? '' };
}

describe('long-simulation', () => {
  it('gives the same result in the pipeline and by itself', async () => {
    const results = await resultsOf('long-simulation');

    for (const { key, input } of inputsOf('long-simulation')) {
      const alone = await simulate(input, undefined, false);
      expect(results.get(key)?.result).toEqual(JSON.parse(alone.last));
      expect(results.get(key)?.result).toMatchObject({ steps: 500_000, resumedAt: 0 });
    }
  });

  it('goes on from its checkpoint after an interruption, and ends as if there had been none', async () => {
    const input = { rabbits: 1_000, foxes: 40, steps: 20_000_000, seed: 7 };
    const checkpoint = join(folder, 'checkpoint.json');

    const interrupted = await simulate(input, checkpoint, true);
    const resumed = await simulate(input, checkpoint, false);

    expect(interrupted.code).toBe(75);
    expect(existsSync(checkpoint)).toBe(true);
    const { resumedAt, ...result } = JSON.parse(resumed.last);
    expect(resumedAt).toBeGreaterThan(0);
    const { resumedAt: none, ...undisturbed } = JSON.parse((await simulate(input, undefined, false)).last);
    expect(none).toBe(0);
    expect(result).toEqual(undisturbed);
  });

  it('goes on from its checkpoint on another machine when the first one is taken back', async () => {
    const { job } = jobs.get('long-simulation')!;
    const repository = await taskRepository(await filesOf('long-simulation'));
    repositories.push(repository);
    const code = { ...job.code, repository: repository.url };
    const steps = 40_000_000;
    const tasks = [{ key: 'even', input: { rabbits: 1_000, foxes: 40, steps, seed: 1 } }];
    const jobId = await api.submit({ ...job, code, tasks });
    const instanceId = await until('the task runs', 30, async () => {
      const task = await api.task(`${jobId}-0`);
      return task.status === 'RUNNING' ? (task.instanceId ?? undefined) : undefined;
    });

    expect(await pipeline.metadata.interrupt(instanceId)).toBe(true);

    expect(await api.untilEnded(jobId, 50)).toMatchObject({ status: 'COMPLETED' });
    const [task] = (await api.results(jobId)) as (TaskDetail & { result: Json })[]; // looked into below
    const { attempts } = await api.task(`${jobId}-0`);
    expect(attempts).toMatchObject([
      { outcome: 'released', charged: false, instanceId },
      { outcome: 'completed', attempt: 2, instanceId: expect.not.stringContaining(instanceId) },
    ]);
    expect(task?.result).toMatchObject({ steps });
    expect(task?.result.resumedAt).toBeGreaterThan(0);
    const machine = await until('the machine says goodbye', 20, async () => {
      const { instances } = (await api.request('GET', '/v1/instances')).json;
      const found = instances.find((each: Json) => each.instanceId === instanceId);
      return found?.endedAt ? found : undefined;
    });
    // Its own word, even if a scaler missed it first.
    expect(machine).toMatchObject({ state: 'INTERRUPTED', stateReason: expect.stringMatching(/^spot interruption/) });
  });

  it('ends without a checkpoint where there is no file for one', async () => {
    const interrupted = await simulate({ rabbits: 1_000, foxes: 40, steps: 1e9, seed: 7 }, undefined, true);

    expect(interrupted.code).toBe(75);
  });
});
