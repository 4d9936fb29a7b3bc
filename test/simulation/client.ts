/** Whoever uses the deployment: submits jobs, asks again when no answer comes, cancels some of them. */
import { ConflictError, ValidationError } from '../../core/errors.ts';
import { PRIORITIES, type TaskPosition } from '../../core/ids.ts';
import type { Fate } from './commands.ts';
import type { World } from './world.ts';

export const REPOSITORY = 'https://github.com/acme/word-count';
const PATIENCE = 6;
/** Later than any retry. */
const RAISED_AFTER_MS = 3_600_000;

export class Client {
  readonly #world: World;
  #pending = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get isBusy(): boolean {
    return this.#pending > 0;
  }

  begin(): void {
    const { random } = this.#world;
    const jobs = random.int(1, 3);
    for (let job = 1; job <= jobs; job += 1) void this.#use(`key-${job}`);
    void this.#raiseBudgets();
  }

  async #use(idempotencyKey: string): Promise<void> {
    const { random, scheduler, lambdas, accepted } = this.#world;
    this.#pending += 1;
    await scheduler.sleep(random.int(0, 300) * 1_000);
    const document = this.#submission();
    const submit = (): Promise<{ jobId: string } | undefined> =>
      this.#insist(() => lambdas.submit(document, idempotencyKey));
    // The same request twice at a time: the second may be answered while the first is under way.
    const [answer, other] = await Promise.all(random.chance(0.2) ? [submit(), submit()] : [submit()]);
    if (answer && other && answer.jobId !== other.jobId)
      this.#world.fail('one key, two jobs', answer.jobId, other.jobId);
    const jobId = answer?.jobId ?? other?.jobId;
    if (jobId) {
      accepted.add(jobId);
      const index = random.int(0, document.tasks.length - 1);
      await Promise.all([
        random.chance(0.25) ? this.#cancel(jobId) : null,
        random.chance(0.25) ? this.#cancelTask({ jobId, index }) : null,
        random.chance(0.2) ? this.#retry(jobId) : null,
        random.chance(0.2) ? this.#pause(jobId) : null,
        random.chance(0.2) ? this.#reprioritise(jobId) : null,
      ]);
    }
    this.#pending -= 1;
  }

  async #cancel(jobId: string): Promise<void> {
    const { random, scheduler, lambdas, cancelled, trace } = this.#world;
    await scheduler.sleep(random.magnitude(1, 1_200) * 1_000);
    trace.add('client', `cancels ${jobId}`);
    cancelled.add(jobId);
    await this.#insist(() => lambdas.cancel(jobId));
  }

  async #cancelTask(task: TaskPosition): Promise<void> {
    const { random, scheduler, lambdas, trace } = this.#world;
    await scheduler.sleep(random.magnitude(1, 600) * 1_000);
    trace.add('client', `cancels ${task.jobId}-${task.index}`);
    await this.#insist(() => lambdas.cancelTask(task));
  }

  /** Who pauses a job means to go on with it: that is insisted on. */
  async #pause(jobId: string): Promise<void> {
    const { random, scheduler, lambdas, trace } = this.#world;
    await scheduler.sleep(random.magnitude(1, 600) * 1_000);
    trace.add('client', `pauses ${jobId}`);
    await this.#insist(() => lambdas.amend(jobId, { paused: true }));
    await scheduler.sleep(random.magnitude(10, 1_200) * 1_000);
    trace.add('client', `resumes ${jobId}`);
    await this.#insist(() => lambdas.amend(jobId, { paused: false }), Number.POSITIVE_INFINITY);
  }

  async #reprioritise(jobId: string): Promise<void> {
    const { random, scheduler, lambdas, trace } = this.#world;
    await scheduler.sleep(random.magnitude(1, 600) * 1_000);
    const priority = random.pick(PRIORITIES);
    trace.add('client', `gives ${jobId} the priority ${priority}`);
    await this.#insist(() => lambdas.amend(jobId, { priority }));
  }

  /** Somebody looks after the jobs that are stuck at their budget, those too whose submission was never answered. */
  async #raiseBudgets(): Promise<void> {
    const { scheduler, lambdas, tables } = this.#world;
    this.#pending += 1;
    await scheduler.sleep(RAISED_AFTER_MS);
    const short = [...tables.jobs.values()].filter(({ job }) => job.budgetUsd !== null).map(({ job }) => job.jobId);
    const raise = (jobId: string) =>
      this.#insist(() => lambdas.amend(jobId, { budgetUsd: 5, paused: false }), Number.POSITIVE_INFINITY);
    await Promise.all(short.map(raise));
    this.#pending -= 1;
  }

  /** Runs again what has failed by then, if anything has. */
  async #retry(jobId: string): Promise<void> {
    const { random, scheduler, lambdas, accepted } = this.#world;
    await scheduler.sleep(random.magnitude(100, 2_400) * 1_000);
    const answer = await this.#insist(() => lambdas.retry(jobId, `retry-${jobId}`));
    if (answer) accepted.add(answer.jobId);
  }

  /** Asks again while no answer comes, for a while. */
  async #insist<Answer>(ask: () => Promise<Answer>, patience = PATIENCE): Promise<Answer | undefined> {
    const { random, scheduler } = this.#world;
    for (let tries = 1; tries <= patience; tries += 1) {
      try {
        return await ask();
      } catch (error) {
        // An answer, if not the one that was hoped for.
        if (error instanceof ConflictError || error instanceof ValidationError) return undefined;
        await scheduler.sleep(random.magnitude(200, 30_000));
      }
    }
    return undefined;
  }

  /** Where there are two: mostly both, in either order. */
  #fleet(): string | string[] {
    const { fleets, fleetRandom } = this.#world;
    const names = fleets.map(({ name }) => name);
    return names.length < 2 ? 'default' : fleetRandom.pick([names, names.toReversed(), names, 'default']);
  }

  #submission() {
    const { random } = this.#world;
    const timeoutSeconds = random.pick([30, 60, 120, 300]);
    const pace = random.pick([2, 20, 100]);
    const kinds = random.pick<readonly Fate['kind'][]>([
      ['good'],
      ['good', 'good', 'good', 'flaky'],
      ['good', 'flaky', 'bad', 'killer'],
    ]);
    const tasks = Array.from({ length: random.int(1, 8) }, (_, index) => ({
      input: { index, seconds: Math.round(random.magnitude(0.2, pace) * 1_000) / 1_000, kind: random.pick(kinds) },
    }));
    return {
      name: 'simulated',
      fleet: this.#fleet(),
      code: { repository: REPOSITORY, ref: 'main', run: ['true'] },
      tasks,
      timeoutSeconds,
      maxDurationSeconds: random.pick([900, 6 * 3_600, 14 * 86_400]),
      allowedFailures: random.pick([0, 0, 2]),
      retry: {
        maxAttempts: random.int(1, 4),
        backoffSeconds: random.pick([0, 5, 60]),
        retryOnTimeout: random.chance(0.5),
      },
      budgetUsd: random.pick([null, null, null, 0.0002, 0.05]),
      priority: random.pick(['high', 'normal', 'low']),
      maxInstances: random.pick([null, null, 1]),
    };
  }
}
