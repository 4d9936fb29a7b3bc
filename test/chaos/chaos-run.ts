/**
 * The real pipeline on this machine under attack: several jobs one after another, so that there is work all the time, and
 * an adversary that draws from a seed what to do next. Leases are short, so that what is lost comes back within seconds.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDynamoClient, createSqsClient } from '../../adapters/aws/clients.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { DynamoTaskStore } from '../../adapters/aws/dynamodb-task-store.ts';
import { seededRandom } from '../../local/emulators/faults/faults.ts';
import { type Pipeline, startPipeline } from '../../local/pipeline.ts';
import { ApiClient } from '../e2e/api-client.ts';
import { processesWith } from '../e2e/processes.ts';
import { taskRepository } from '../e2e/task-repository.ts';
import { drawAttack, endWeather, newWeather, type Target } from './attacks.ts';
import { type ChaosTask, COMMANDS, chaosTasks, inputOf } from './chaos-tasks.ts';
import { type Promised, readJob, verdictOn } from './verdict.ts';

const JOBS = 4;
/** The jobs come within this part of the attack. */
const SUBMITTING = 0.6;
const TASK_TIMEOUT_SECONDS = { short: 6, long: 10 };
/** Above a minute, starts are announced: then a lost lease is known, and returns by its receipt handle. */
const ANNOUNCED_TIMEOUT_SECONDS = 61;
/** Of the four jobs. A short run could not wait for so long a lease. */
const ANNOUNCED_JOB = 1;
const LONG_RUN_MINUTES = 1;
const PAUSE_MS = { least: 100, most: 800 };
const WEATHER_MS = 5_000;
const TELL_MS = 5_000;
/** After the attack: leases end, the sweep looks twice, retries wait their turn, machines idle. */
const ENDING_MS = 420_000;
const LEAVING_MS = 60_000;

export interface ChaosOptions {
  readonly tasks: number;
  readonly minutes: number;
  readonly seed: number;
  readonly data?: string | undefined;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface ChaosReport {
  readonly seed: number;
  readonly tasks: number;
  readonly seconds: number;
  /** What was done to it, how often. */
  readonly done: Readonly<Record<string, number>>;
  readonly promises: readonly Promised[];
  readonly held: boolean;
  /** Kept when something did not hold. */
  readonly folder: string;
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const folder = resolve(options.data ?? (await mkdtemp(join(tmpdir(), 'shoal-chaos-'))));
  const repository = await taskRepository(COMMANDS);
  const startedAt = performance.now();
  const pipeline = await startPipeline({
    dataDirectory: folder,
    onProgress: options.onProgress,
    ...(options.signal ? { signal: options.signal } : {}),
    fleets: { default: { idleSeconds: 3, maxInstances: 3, drainTargetSeconds: 10 } },
    tickSeconds: 1,
    reportVisibilitySeconds: 3,
    environment: {
      LOCAL_SLOTS: '3',
      LEASE_ALLOWANCE_SECONDS: '4',
      SETTLE_SECONDS: '1',
      STATUS_SETTLE_SECONDS: '1',
    },
    machineEnvironment: {
      SHOAL_GRACE_SECONDS: '1',
      SHOAL_LEASE_GRACE_SECONDS: '2',
      SHOAL_SETUP_SECONDS: '2',
      SHOAL_POLL_SECONDS: '1',
      SHOAL_NOTICE_SECONDS: '1',
    },
  });
  const run = new ChaosRun(pipeline, folder, repository, options);
  try {
    const done = await run.attack();
    const jobs = await run.end();
    await pipeline.stop();
    const left = (await processesWith(`${folder}/`)).map(({ pid, command }) => `${pid} ${command.slice(0, 80)}`);
    const promises = verdictOn(jobs, [...(await run.instancesLeft()), ...left]);
    const held = promises.every((each) => each.held);
    if (held && options.data === undefined) await rm(folder, { recursive: true, force: true });
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    return { seed: options.seed, tasks: options.tasks, seconds, done, promises, held, folder };
  } finally {
    await pipeline.stop();
    run.close();
    await repository.remove();
  }
}

class ChaosRun {
  readonly #pipeline: Pipeline;
  readonly #options: ChaosOptions;
  readonly #target: Target;
  readonly #api: ApiClient;
  readonly #dynamodb;
  readonly #random: () => number;
  readonly #jobs: { readonly jobId: string; readonly tasks: readonly ChaosTask[] }[] = [];
  readonly #done = new Map<string, number>();
  readonly #repository: { readonly url: string; readonly commit: string };
  #instancesLeft: readonly string[] = [];

  constructor(
    pipeline: Pipeline,
    folder: string,
    repository: { readonly url: string; readonly commit: string },
    options: ChaosOptions,
  ) {
    const { local } = pipeline;
    const access = {
      region: local.region,
      credentials: { accessKeyId: local.accessKeyId, secretAccessKey: local.secretAccessKey },
    };
    this.#pipeline = pipeline;
    this.#options = options;
    this.#repository = repository;
    this.#random = seededRandom(options.seed);
    this.#api = new ApiClient(local);
    this.#dynamodb = createDynamoClient({ ...access, endpoint: local.dynamodbUrl });
    this.#target = {
      pipeline,
      instancesDirectory: join(folder, 'instances'),
      sqs: createSqsClient({ ...access, endpoint: local.sqsUrl }),
      code: { repository: repository.url, commit: repository.commit },
      random: seededRandom(options.seed + 1),
      jobIds: [],
    };
  }

  get #isLong(): boolean {
    return this.#options.minutes >= LONG_RUN_MINUTES;
  }

  /** Submits the jobs and attacks until the time is up. @returns what was done */
  async attack(): Promise<Record<string, number>> {
    const all = chaosTasks(this.#options.tasks, this.#random);
    await this.#submit(all);
    await this.#until('there is a machine to attack', LEAVING_MS, async () => {
      return (await this.#pipeline.machinesLeft()).length > 0;
    });
    const began = performance.now();
    const limitMs = this.#options.minutes * 60_000;
    const passed = (): number => performance.now() - began;
    let told = 0;
    let weatherAt = 0;
    while (passed() < limitMs) {
      this.#options.signal?.throwIfAborted();
      const due = Math.min(JOBS, 1 + Math.floor((passed() / (limitMs * SUBMITTING)) * JOBS));
      while (this.#jobs.length < due) await this.#submit(all);
      if (passed() >= weatherAt) {
        await this.#note(newWeather(this.#target));
        weatherAt = passed() + WEATHER_MS;
      }
      await this.#attackOnce();
      if (passed() - told > TELL_MS) {
        told = passed();
        this.#options.onProgress(`${Math.round(passed() / 1_000)} s of attack: ${await this.#state()}`);
      }
      const { least, most } = PAUSE_MS;
      await sleep(Math.min(least + this.#target.random() * (most - least), Math.max(0, limitMs - passed())));
    }
    while (this.#jobs.length < JOBS) await this.#submit(all);
    await this.#note(endWeather(this.#pipeline));
    return Object.fromEntries([...this.#done].toSorted(([one], [other]) => (one < other ? -1 : 1)));
  }

  /** Waits for the jobs' ends, then for the machines', and reads what became of the tasks. */
  async end() {
    await this.#until('the jobs end', ENDING_MS, async () => {
      const open = await this.#openJobs();
      return open === 0;
    });
    await this.#until('the machines end', LEAVING_MS, async () => {
      this.#instancesLeft = (await this.#pipeline.machinesLeft()).map((pid) => `the machine of process group ${pid}`);
      return this.#instancesLeft.length === 0;
    });
    const { tables } = this.#pipeline.local;
    const jobsTable = tables['jobs'] ?? '';
    const client = this.#dynamodb;
    const stores = {
      jobs: new DynamoJobStore({ client, table: jobsTable }),
      tasks: new DynamoTaskStore({ client, tasksTable: tables['tasks'] ?? '', jobsTable }),
    };
    return Promise.all(this.#jobs.map(({ jobId, tasks }) => readJob(jobId, tasks, stores)));
  }

  instancesLeft(): readonly string[] {
    return this.#instancesLeft;
  }

  close(): void {
    this.#dynamodb.destroy();
    this.#target.sqs.destroy();
  }

  async #attackOnce(): Promise<void> {
    const drawn = drawAttack(this.#target.random, this.#isLong);
    if (!drawn) return;
    try {
      this.#count(drawn.name, await drawn.attack({ ...this.#target, jobIds: this.#jobs.map(({ jobId }) => jobId) }));
    } catch (error) {
      // Attacks meet the faults, too.
      this.#options.onProgress(`an attack failed (${drawn.name}): ${String(error)}`);
    }
  }

  /** The same key makes it one job, however often it is asked for. */
  async #submit(all: readonly ChaosTask[]): Promise<void> {
    const nth = this.#jobs.length;
    const tasks = all.filter(({ n }) => n % JOBS === nth);
    const announced = nth === ANNOUNCED_JOB && this.#isLong;
    const body = {
      name: `chaos ${nth}`,
      code: { repository: this.#repository.url, run: ['sh', 'task.sh'] },
      tasks: tasks.map((task) => ({ input: inputOf(task) })),
      timeoutSeconds: announced ? ANNOUNCED_TIMEOUT_SECONDS : TASK_TIMEOUT_SECONDS[this.#isLong ? 'long' : 'short'],
      allowedFailures: tasks.filter(({ kind }) => kind === 'fatal').length,
      retry: { backoffSeconds: 1 },
    };
    const headers = { 'idempotency-key': `chaos-${nth}` };
    const jobId = await this.#until('a job is accepted', 60_000, async () => {
      const answer = await this.#api.request('POST', '/v1/jobs', { body, headers }).catch(() => undefined);
      if (answer && answer.status >= 400 && answer.status < 429) throw new Error(`the job was refused: ${answer.text}`);
      return answer?.status === 202 ? String(answer.json.jobId) : undefined;
    });
    if (jobId === undefined) throw new Error('no job was accepted within a minute');
    this.#jobs.push({ jobId, tasks });
  }

  async #openJobs(): Promise<number> {
    const jobs = await Promise.all(this.#jobs.map(({ jobId }) => this.#api.job(jobId).catch(() => undefined)));
    return jobs.filter((job) => !/^(COMPLETED|FAILED|CANCELLED)$/.test(job?.status ?? '')).length;
  }

  async #state(): Promise<string> {
    const jobs = await Promise.all(this.#jobs.map(({ jobId }) => this.#api.job(jobId).catch(() => undefined)));
    const ended = jobs.map((job) => (job?.counters ? job.counters.completed + job.counters.failed : Number.NaN));
    const attacks = [...this.#done.values()].reduce((sum, count) => sum + count, 0);
    const tasks = ended.map((count, n) => `${Number.isNaN(count) ? '?' : count}/${this.#jobs[n]?.tasks.length}`);
    return `tasks ended ${tasks.join(' ')}, ${attacks} blows`;
  }

  /** `undefined` when it did not come about in time: the verdict then says what is missing. */
  async #until<Found>(what: string, limitMs: number, look: () => Promise<Found | undefined | false>) {
    const began = performance.now();
    let told = began;
    while (performance.now() - began < limitMs) {
      this.#options.signal?.throwIfAborted();
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (performance.now() - told > TELL_MS) {
        told = performance.now();
        this.#options.onProgress(`until ${what}: ${await this.#state()}`);
      }
      await sleep(250);
    }
    this.#options.onProgress(`not within ${limitMs / 1_000} s: ${what}`);
    return undefined;
  }

  async #note(struck: Promise<Map<string, number>>): Promise<void> {
    for (const [kind, count] of await struck) this.#count(`injected: ${kind}`, count);
  }

  #count(name: string, by: number): void {
    this.#done.set(name, (this.#done.get(name) ?? 0) + by);
  }
}
