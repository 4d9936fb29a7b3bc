/**
 * One run: a small deployment of everything that is Shoal, on virtual time, in a world that fails as its seed says, until
 * it comes to rest. The use cases, the state machine's definition and the agent are the real ones.
 */
import { type Fleet, fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { PRIORITIES } from '../../core/ids.ts';
import { isClosed, type Job } from '../../core/job.ts';
import type {
  ControlChannel,
  InstanceProvider,
  StatusChannel,
  TaskQueue,
  TaskQueues,
  Waker,
} from '../../core/ports.ts';
import { ReportingMachines } from '../../functions/accounting/reporting-machines.ts';
import type { TickSettings } from '../../functions/scaler/scale.ts';
import { COMMIT, ulidOf } from '../factories/ids.ts';
import { START } from '../factories/manual-clock.ts';
import { InMemoryBlobStore } from '../fakes/in-memory-blob-store.ts';
import { InMemoryCodeResolver } from '../fakes/in-memory-code-resolver.ts';
import { InMemoryControlChannel } from '../fakes/in-memory-control-channel.ts';
import { InMemoryDeadLetterChannel } from '../fakes/in-memory-dead-letter-channel.ts';
import { InMemoryFleetStore } from '../fakes/in-memory-fleet-store.ts';
import { InMemoryJobStore } from '../fakes/in-memory-job-store.ts';
import { InMemoryOfferSource } from '../fakes/in-memory-offer-source.ts';
import { InMemoryTables } from '../fakes/in-memory-tables.ts';
import { InMemoryTaskStore } from '../fakes/in-memory-task-store.ts';
import { altered, type CallTools, wired } from './calls.ts';
import { Client, REPOSITORY } from './client.ts';
import {
  DEAD_LETTER_VISIBILITY_SECONDS,
  DELAYED_VISIBILITY_SECONDS,
  type EventSource,
  pollQueue,
  STATUS_VISIBILITY_SECONDS,
} from './event-source.ts';
import { Executions } from './executions.ts';
import { Faults } from './faults.ts';
import { Lambdas } from './lambdas.ts';
import { Cloud, type Machine, SETUP_SECONDS } from './machines.ts';
import type { AgentPortsInUse, Mutant } from './mutants.ts';
import { Promises } from './promises.ts';
import {
  SimulatedStatusFlow,
  STATUS_RECEIVES,
  UnreliableDelayedQueue,
  UnreliableQueue,
  UnreliableStatusChannel,
  unreliableTaskQueues,
} from './queues.ts';
import { Random } from './random.ts';
import { type Actor, Scheduler } from './scheduler.ts';
import { Trace } from './trace.ts';

const DEADLINE_MS = 24 * 3_600_000;
/** In every fourth world the task queues do not tell their depth. */
const SILENT_QUEUES_EVERY = 4;
/** Nothing is rented: the machines of the simulated cloud are all alike. */
const NO_OFFERS = new InMemoryOfferSource([]);
const TICK_MS = 60_000;
/** A scaler that read a job before it was closed may still launch for it. */
const LATELY_MS = 120_000;

export interface Violation {
  readonly what: string;
  /** What the trace is searched for. */
  readonly about: readonly string[];
}

/** Eventually consistent where the index is. */
class UnreliableJobStore extends InMemoryJobStore {
  readonly #faults: Faults;
  #listed: readonly string[] = [];

  constructor(tables: InMemoryTables, faults: Faults) {
    super(tables);
    this.#faults = faults;
  }

  override async listOpen(): Promise<readonly string[]> {
    if (this.#faults.happens('stale')) return this.#listed;
    this.#listed = await super.listOpen();
    return this.#listed;
  }
}

export class World {
  readonly random: Random;
  readonly scheduler = new Scheduler(START);
  readonly trace = new Trace(this.scheduler);
  readonly faults: Faults;
  readonly mutant: Mutant | undefined;
  readonly tables = new InMemoryTables();
  readonly fleets: readonly Fleet[];
  /** Of the fleets alone: worlds with one fleet are what they were before there were others. */
  readonly fleetRandom: Random;
  readonly scaleSettings: TickSettings;
  readonly statusQueue: UnreliableQueue;
  readonly delayedQueue: UnreliableQueue;
  readonly deadLetterQueue: UnreliableQueue;
  readonly promises: Promises;
  readonly cloud: Cloud;
  readonly lambdas: Lambdas;
  readonly executions: Executions;
  readonly client: Client;
  /** What a client was told. */
  readonly accepted = new Set<string>();
  readonly cancelled = new Set<string>();
  /** Jobs whose execution met an error that no retry helped. */
  readonly erred = new Set<string>();
  violation: Violation | undefined;
  readonly #jobs: UnreliableJobStore;
  readonly #tasks = new InMemoryTaskStore(this.tables);
  readonly #fleets = new InMemoryFleetStore();
  readonly #blobs = new InMemoryBlobStore();
  readonly #control = new InMemoryControlChannel();
  readonly #delayed: UnreliableDelayedQueue;
  readonly #statusFlow: SimulatedStatusFlow;
  readonly #deadLetters = new InMemoryDeadLetterChannel();
  readonly #resolver = new InMemoryCodeResolver({ [REPOSITORY]: { main: COMMIT } });
  readonly #queue: ReturnType<typeof unreliableTaskQueues>;
  readonly #calls: CallTools;
  #ids = 0;
  #ulids = 0;
  #atRest = false;

  constructor(seed: number, mutant?: Mutant) {
    this.random = new Random(seed);
    const { random, scheduler, trace } = this;
    this.mutant = mutant;
    this.faults = new Faults(random, () => scheduler.nowMs);
    const { faults } = this;
    const tellsDepth = seed % SILENT_QUEUES_EVERY !== 0;
    const tools = { scheduler, random, faults, trace, newId: this.newId, tellsDepth };
    this.#jobs = new UnreliableJobStore(this.tables, faults);
    const lose = (body: string): void => trace.add('status-queue', `gives up ${body.slice(0, 160)}`);
    this.statusQueue = new UnreliableQueue('status-queue', tools, {
      maxReceiveCount: STATUS_RECEIVES,
      onDeadLetter: lose,
    });
    this.#statusFlow = new SimulatedStatusFlow(this.statusQueue, scheduler);
    this.delayedQueue = new UnreliableQueue('delayed-queue', tools);
    this.deadLetterQueue = new UnreliableQueue('dead-letters', tools);
    this.#delayed = new UnreliableDelayedQueue(this.delayedQueue, tools);
    this.#queue = unreliableTaskQueues(tools, this.deadLetterQueue);
    this.#calls = { scheduler, faults, trace, onChange: (service) => this.#onChange(service) };
    const slots = random.int(1, 2);
    this.fleetRandom = new Random(seed + OTHER_SEEDS);
    this.fleets = fleetsFor(random, this.fleetRandom);
    this.#failFleet();
    this.scaleSettings = scaleSettings(slots);
    this.promises = new Promises(this);
    this.cloud = new Cloud(this);
    this.lambdas = new Lambdas(this);
    this.executions = new Executions(this);
    this.client = new Client(this);
    for (const { name } of this.fleets) {
      for (const priority of PRIORITIES) {
        this.#queue(name, priority).onLeased = (lease) => this.promises.onLeased(lease);
      }
    }
  }

  readonly newId = (): string => {
    this.#ids += 1;
    return `id-${this.#ids}`;
  };

  fail(what: string, ...about: string[]): void {
    if (this.violation) return;
    this.trace.add('!', what);
    this.violation = { what, about };
  }

  /** Messages that some function of ours must still read. */
  get messagesLeft(): number {
    return [this.statusQueue, this.delayedQueue, this.deadLetterQueue].reduce((sum, queue) => {
      const { visible, inFlight, delayed } = queue.depth();
      return sum + visible + inFlight + delayed;
    }, 0);
  }

  wasOpenLately({ status, finishedAt }: Job): boolean {
    return !isClosed(status) || this.scheduler.nowMs - Date.parse(finishedAt ?? '') < LATELY_MS;
  }

  /** Runs to rest, to the first broken promise, or to the deadline. */
  async run(): Promise<void> {
    const deadline = this.scheduler.nowMs + DEADLINE_MS;
    this.client.begin();
    this.#tick();
    for (const source of this.#eventSources()) void pollQueue(source, this);
    while (!this.violation && !this.#atRest && (await this.scheduler.step(deadline)));
    if (!this.violation) this.promises.checkEnd();
  }

  /** Everything that a function may use, as that run of it sees it. */
  portsOf(actor: Actor) {
    const { scheduler, random } = this;
    const jobs = this.#wired(this.#jobs, 'jobs', actor);
    const fleets = this.#wired(this.#fleets, 'fleets', actor);
    const resolver = this.#wired(this.#resolver, 'code', actor);
    return {
      jobs,
      tasks: this.#wired(this.#tasks, 'tasks', actor),
      fleets,
      reporting: new ReportingMachines(fleets),
      statusFlow: this.#wired(this.#statusFlow, 'fleets', actor),
      delayed: this.#wired(this.#delayed, 'delayed', actor),
      queues: this.#queuesOf(actor),
      blobs: this.#wired(this.#blobs, 'blobs', actor),
      control: this.#controlOf(actor),
      deadLetters: this.#wired(this.#deadLetters, 'deadLetters', actor),
      machine: this.#wired(this.executions, 'machine', actor),
      providerOf: this.#providersOf(actor),
      waker: this.#waker,
      offers: NO_OFFERS,
      onNotEstimated: () => undefined,
      clock: scheduler,
      random: () => random.next(),
      ulid: () => {
        this.#ulids += 1;
        return ulidOf(this.#ulids);
      },
      rules: { fleets: this.fleets, repositoryHosts: ['github.com'], allowLocalRepositories: false, resolver },
    };
  }

  agentPorts(actor: Actor, machine: Machine): AgentPortsInUse {
    const { scheduler, random, faults, trace, newId } = this;
    const channel = new UnreliableStatusChannel(this.statusQueue, actor.name, {
      scheduler,
      random,
      faults,
      trace,
      newId,
    });
    const status: StatusChannel = {
      publish: async (events) => {
        await channel.publish(events);
        this.promises.onPublished(events);
        machine.hasSaidGoodbye ||= events.some((event) => event.kind === 'instance' && event.state === 'TERMINATED');
      },
    };
    const ports = {
      queues: this.#queuesOfAgent(actor),
      status: this.#wired(status, 'status', actor),
      control: this.#controlOf(actor),
      blobs: this.#wired(this.#blobs, 'blobs', actor),
    };
    return this.mutant?.agent?.(ports) ?? ports;
  }

  #wired<Port extends object>(port: Port, service: string, actor: Actor): Port {
    return wired(port, service, actor, this.#calls);
  }

  #queuesOf(actor: Actor): TaskQueues {
    const queues = new Map<string, TaskQueue>();
    return (fleet, priority) => {
      const name = `${fleet}/${priority}`;
      const queue =
        queues.get(name) ?? this.#wired<TaskQueue>(this.#queue(fleet, priority), serviceOf('taskQueue', fleet), actor);
      queues.set(name, queue);
      return queue;
    };
  }

  #controlOf(actor: Actor): ControlChannel {
    const of = (fleet: string): ControlChannel =>
      this.#wired<ControlChannel>(this.#control, serviceOf('control', fleet), actor);
    return {
      read: (fleet, etag) => of(fleet).read(fleet, etag),
      update: (fleet, change) => of(fleet).update(fleet, change),
    };
  }

  /** Of each fleet the same one throughout: one list serves all fleets of a provider. */
  #providersOf(actor: Actor): (fleet: Fleet) => InstanceProvider {
    const providers = new Map(
      this.fleets.map(({ name }) => [
        name,
        this.#wired<InstanceProvider>(this.cloud, serviceOf('provider', name), actor),
      ]),
    );
    return ({ name }) => providers.get(name) ?? this.cloud;
  }

  /** One of two fleets is gone half-way: its queues, its provider and its control document. */
  #failFleet(): void {
    const { fleetRandom, fleets, faults, scheduler } = this;
    if (fleets.length < 2 || fleetRandom.chance(0.3)) return;
    const from = scheduler.nowMs + fleetRandom.int(0, 10 * 60_000);
    faults.fail(
      ['taskQueue', 'provider', 'control'].map((service) => serviceOf(service, OTHER_FLEET)),
      from,
    );
  }

  /** The agent's own, which are watched for what it gives back and acknowledges. */
  #queuesOfAgent(actor: Actor): TaskQueues {
    const queues = this.#queuesOf(actor);
    const watched = new Map<string, TaskQueue>(
      this.fleets
        .flatMap(({ name }) => PRIORITIES.map((priority) => [name, priority] as const))
        .map(([name, priority]) => {
          const queue = queues(name, priority);
          const changeLease: typeof queue.changeLease = (leases, seconds) => {
            if (seconds === 0) for (const { receiptHandle } of leases) this.promises.onGivenBack(receiptHandle);
            return queue.changeLease(leases, seconds);
          };
          const acknowledge: typeof queue.acknowledge = (leases) => {
            for (const { receiptHandle } of leases) this.promises.onAcknowledged(receiptHandle);
            return queue.acknowledge(leases);
          };
          return [`${name}/${priority}`, altered(queue, { changeLease, acknowledge })] as const;
        }),
    );
    return (fleet, priority) => watched.get(`${fleet}/${priority}`) ?? queues(fleet, priority);
  }

  readonly #waker: Waker = {
    wake: async () => {
      if (!this.faults.happens('unheard')) void this.lambdas.scale();
    },
  };

  /** As in `serverless.yml` and `resources/queues.yml`, with smaller batches, so that more of them meet. */
  #eventSources(): EventSource[] {
    const { lambdas, random } = this;
    return [
      {
        queue: this.statusQueue,
        visibilitySeconds: STATUS_VISIBILITY_SECONDS,
        batchSize: 10,
        maximumConcurrency: random.int(1, 3),
        handle: (records) => lambdas.consume(records),
      },
      {
        queue: this.delayedQueue,
        visibilitySeconds: DELAYED_VISIBILITY_SECONDS,
        batchSize: 5,
        maximumConcurrency: 2,
        handle: (records) => lambdas.forward(records),
      },
      {
        queue: this.deadLetterQueue,
        visibilitySeconds: DEAD_LETTER_VISIBILITY_SECONDS,
        batchSize: 5,
        maximumConcurrency: 2,
        handle: (records) => lambdas.judge(records),
      },
    ];
  }

  #onChange(service: string): void {
    if (service === 'jobs' || service === 'tasks') this.promises.checkTables();
  }

  /** Every minute: the scaler, and a look at whatever only time can break. */
  #tick(): void {
    void this.lambdas.scale();
    if (this.faults.happens('twice')) void this.lambdas.scale();
    this.promises.checkLifetimes();
    void this.#isAtRest().then((atRest) => {
      this.#atRest = atRest;
    });
    this.scheduler.after(TICK_MS, null, () => this.#tick());
  }

  async #isAtRest(): Promise<boolean> {
    const { lambdas, executions, client, cloud } = this;
    if (!this.faults.over || client.isBusy || lambdas.running > 1 || executions.running > 0) return false;
    const machines = [...cloud.simulated.values()].some((machine) => machine.isRunning);
    if (machines || this.messagesLeft > 0) return false;
    if ([...this.tables.jobs.values()].some(({ job }) => !isClosed(job.status))) return false;
    const read = await Promise.all(this.fleets.map(({ name }) => this.#fleets.read(name)));
    return read.every(({ instances }) => instances.length === 0);
  }
}

/** Half of a million seeds away. */
const OTHER_SEEDS = 500_009;
const OTHER_FLEET = 'other';
const TWO_FLEETS_CHANCE = 0.15;

/** What a fleet uses of a cloud: the other fleet's is a cloud of its own. */
const serviceOf = (service: string, fleet: string): string => (fleet === OTHER_FLEET ? `${service}-${fleet}` : service);

function fleetsFor(random: Random, fleetRandom: Random): Fleet[] {
  const some = (from: Random) => ({
    provider: 'aws',
    maxInstances: from.int(1, 3),
    idleSeconds: from.int(5, 90),
    maxLifetimeHours: from.pick([0.5, 1, 3]),
  });
  const fleets = { default: some(random) };
  const hasTwo = fleetRandom.chance(TWO_FLEETS_CHANCE);
  return fleetsOf(
    fleetsFileSchema.parse({ fleets: hasTwo ? { ...fleets, [OTHER_FLEET]: some(fleetRandom) } : fleets }),
  );
}

/** As `functions/scaler/handler.ts` and its configuration have them. */
const scaleSettings = (slotsPerInstance: number): TickSettings => ({
  stage: 'test',
  region: 'eu-central-1',
  bucket: 'bucket',
  queueUrlPrefix: 'https://sqs.eu-central-1.amazonaws.com/000000000000/',
  statusQueueUrl: 'https://sqs.eu-central-1.amazonaws.com/000000000000/shoal-status-test',
  agentUrl: 'https://example.com/agent.mjs',
  agentSha256: '0'.repeat(64),
  drainTargetSeconds: 60,
  bootSeconds: 60,
  unknownSecondsPerTask: 60,
  readyDeadlineSeconds: 300,
  slotsPerInstance,
  intentSeconds: 120,
  listGraceSeconds: 60,
  sweep: { leaseAllowanceSeconds: SETUP_SECONDS + 60, settleSeconds: 60 },
});
