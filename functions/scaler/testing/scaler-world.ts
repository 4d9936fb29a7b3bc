/** The scaler over ports in memory: a cloud with machines, queues with work, a clock that is turned by hand. */
import type { Counters } from '../../../core/counters.ts';
import { type Fleet, fleetsFileSchema, fleetsOf } from '../../../core/fleet.ts';
import type { Job } from '../../../core/job.ts';
import type { Offer } from '../../../core/offer.ts';
import { fleetOf } from '../../../core/placement.ts';
import { taskIdFactory } from '../../../test/factories/ids.ts';
import { countersFactory, jobFactory } from '../../../test/factories/job.ts';
import { at, ManualClock } from '../../../test/factories/manual-clock.ts';
import { taskMessageFactory } from '../../../test/factories/task-message.ts';
import { InMemoryControlChannel } from '../../../test/fakes/in-memory-control-channel.ts';
import { InMemoryDelayedQueue } from '../../../test/fakes/in-memory-delayed-queue.ts';
import { InMemoryFleetStore } from '../../../test/fakes/in-memory-fleet-store.ts';
import { InMemoryInstanceProvider } from '../../../test/fakes/in-memory-instance-provider.ts';
import { InMemoryJobMachine } from '../../../test/fakes/in-memory-job-machine.ts';
import { InMemoryJobStore } from '../../../test/fakes/in-memory-job-store.ts';
import { InMemoryOfferSource } from '../../../test/fakes/in-memory-offer-source.ts';
import { InMemoryStatusFlow } from '../../../test/fakes/in-memory-status-flow.ts';
import { InMemoryTables } from '../../../test/fakes/in-memory-tables.ts';
import { inMemoryTaskQueues } from '../../../test/fakes/in-memory-task-queue.ts';
import { InMemoryTaskStore } from '../../../test/fakes/in-memory-task-store.ts';
import { sendTasks } from '../../send-tasks.ts';
import { scale, type TickPorts, type TickSettings } from '../scale.ts';
import type { ScaledFleet } from '../scale-ports.ts';

export const SETTINGS: TickSettings = {
  stage: 'test',
  region: 'eu-central-1',
  bucket: 'bucket',
  queueUrlPrefix: 'https://sqs/',
  statusQueueUrl: 'https://sqs/status',
  agentUrl: 'https://bucket/agent',
  agentSha256: 'abc',
  drainTargetSeconds: 60,
  bootSeconds: 0,
  unknownSecondsPerTask: 60,
  readyDeadlineSeconds: 300,
  slotsPerInstance: 1,
  intentSeconds: 120,
  listGraceSeconds: 60,
  sweep: { leaseAllowanceSeconds: 60, settleSeconds: 60 },
};

/** Called before and after each call of a port, with the name of the call. */
export type Around = (call: string, work: () => Promise<unknown>) => Promise<unknown>;

/** The port with `around` around each of its methods. */
function surrounded<Port extends object>(port: Port, around: Around): Port {
  return new Proxy(port, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => around(String(name), async () => Reflect.apply(value, target, args));
    },
  });
}

export interface ScalerWorldOptions {
  readonly fleets?: Record<string, unknown>;
  /** Seconds after the start: at full ten minutes a tick also looks where nothing should be. */
  readonly seconds?: number;
  readonly offers?: readonly Offer[];
  readonly settings?: Partial<TickSettings>;
}

export class ScalerWorld {
  readonly clock: ManualClock;
  readonly control = new InMemoryControlChannel();
  readonly tables = new InMemoryTables();
  readonly store = new InMemoryFleetStore();
  readonly queues;
  readonly provider;
  readonly statusFlow;
  readonly failures: [string, unknown][] = [];
  readonly fleets: readonly Fleet[];
  readonly #jobs;
  readonly machine = new InMemoryJobMachine();
  readonly offers: InMemoryOfferSource | undefined;
  readonly #settings: TickSettings;
  #intents = 0;

  constructor(options: ScalerWorldOptions = {}) {
    const { fleets = { default: { provider: 'aws' } }, seconds = 60, offers, settings = {} } = options;
    this.clock = new ManualClock(at(seconds));
    this.queues = inMemoryTaskQueues({ clock: this.clock });
    this.provider = new InMemoryInstanceProvider({ clock: this.clock });
    this.statusFlow = new InMemoryStatusFlow({ clock: this.clock });
    this.fleets = fleetsOf(fleetsFileSchema.parse({ fleets }));
    this.#jobs = new InMemoryJobStore(this.tables);
    this.offers = offers && new InMemoryOfferSource(offers);
    this.#settings = { ...SETTINGS, ...settings };
  }

  ports(around: Around = (_call, work) => work()): TickPorts {
    const provider = surrounded(this.provider, around);
    return {
      jobs: surrounded(this.#jobs, around),
      machine: surrounded(this.machine, around),
      fleets: surrounded(this.store, around),
      queues: (fleet, priority) => surrounded(this.queues(fleet, priority), around),
      statusFlow: surrounded(this.statusFlow, around),
      providerOf: () => provider,
      offersOf: () => this.offers,
      clock: this.clock,
      newIntentId: () => {
        this.#intents += 1;
        return `intent-${this.#intents}`;
      },
      takeBackTasks: async (machines) => {
        await around('takeBackTasks', async () => undefined);
        return machines.length;
      },
      control: this.control,
      tasks: surrounded(new InMemoryTaskStore(this.tables), around),
      delayed: new InMemoryDelayedQueue({ clock: this.clock }),
      onJobFailed: (jobId, error) => this.failures.push([jobId, error]),
      onFleetFailed: (fleet, error) => this.failures.push([fleet, error]),
      onSweepFailed: (jobId, error) => this.failures.push([jobId, error]),
    };
  }

  async tick(around?: Around, over: Partial<TickPorts> = {}): Promise<readonly ScaledFleet[]> {
    return (await scale(this.fleets, { ...this.ports(around), ...over }, this.#settings)).fleets;
  }

  /** An open job with so many messages on its queue. */
  async work(messages: number, overrides: Partial<Job> = {}, counters: Partial<Counters> = {}): Promise<Job> {
    const job = jobFactory({ status: 'RUNNING', taskToken: 'token', taskCount: messages, ...overrides });
    this.tables.jobs.set(job.jobId, { job, counters: countersFactory(counters) });
    const { jobId, priority } = job;
    await sendTasks(
      Array.from({ length: messages }, (_, index) =>
        taskMessageFactory({ jobId, priority, taskId: taskIdFactory(index, jobId), fleet: fleetOf(job, index) }),
      ),
      this.queues,
    );
    return job;
  }

  /** A machine that the provider runs; no row says so unless somebody writes one. */
  async launch(intentId: string, fleet = 'default'): Promise<string> {
    const { launched } = await this.provider.launch({ fleet, intentId, count: 1, environment: {} });
    return launched[0]?.instanceId ?? '';
  }

  isRunning(instanceId: string): boolean {
    return this.provider.machines.get(instanceId)?.running ?? false;
  }

  running(): string[] {
    return [...this.provider.machines].filter(([, machine]) => machine.running).map(([instanceId]) => instanceId);
  }

  /** Every machine that runs says that it is ready. */
  async reportReady(): Promise<void> {
    const at = this.clock.now().toISOString();
    for (const instanceId of this.running()) {
      const fleet = this.provider.machines.get(instanceId)?.request.fleet ?? '';
      await this.store.updateInstance(fleet, instanceId, { state: 'READY', reason: null, at });
    }
  }

  async plan(fleet = 'default') {
    return (await this.store.read(fleet)).state.lastPlan;
  }
}
