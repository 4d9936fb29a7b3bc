import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import type { Priority } from '../../core/ids.ts';
import { type StatusEvent, statusEventSchema, type TaskEvent, type TaskMessage } from '../../core/messages.ts';
import { taskMessageFactory } from '../../test/factories/task-message.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryControlChannel } from '../../test/fakes/in-memory-control-channel.ts';
import { NO_CREDENTIALS } from '../../test/fakes/no-credentials.ts';
import { runAgent } from '../agent/agent.ts';
import { systemClock } from '../agent/clock.ts';
import type { WorkSettings } from '../agent/config.ts';
import { Lifecycle } from '../agent/lifecycle.ts';
import { createJsonLog } from '../agent/log.ts';
import { WaitingTaskQueue } from './waiting-task-queue.ts';

export type InstanceReport = Extract<StatusEvent, { kind: 'instance' }>;

/** An agent on in-memory ports, its work folder and all that it reported. */
export class AgentHarness {
  readonly settings: WorkSettings;
  readonly lifecycle = new Lifecycle();
  readonly blobs = new InMemoryBlobStore();
  readonly control = new InMemoryControlChannel();
  readonly queues = { high: new WaitingTaskQueue(), normal: new WaitingTaskQueue(), low: new WaitingTaskQueue() };
  readonly published: StatusEvent[] = [];
  readonly logLines: string[] = [];
  /** Stands before every publication: a test makes it throw. */
  beforePublish: (events: readonly StatusEvent[]) => void = () => undefined;

  /** @param settings.slots so many slots of 1 vCPU, 1 GiB and 5 GiB of disk; 2 unless told otherwise */
  constructor({ slots = 2, ...settings }: Partial<WorkSettings> & { slots?: number } = {}) {
    this.settings = {
      fleet: 'default',
      instanceId: 'i-1',
      capacity: { vcpus: slots, memoryMiB: slots * 1_024, diskGiB: slots * 5 },
      slot: { vcpus: 1, memoryMiB: 1_024, diskGiB: 5 },
      idleSeconds: 0.15,
      maxLifetimeSeconds: 3_600,
      workDir: temporaryFolder(),
      taskUser: null,
      graceSeconds: 1,
      cancelGraceSeconds: 1,
      leaseGraceSeconds: 60,
      setupSeconds: 600,
      controlSeconds: 0.1,
      pollSeconds: 1,
      maxResultBytes: 100 * 1024 * 1024,
      maxCheckpointBytes: 1024 * 1024,
      maxLogBytes: 256 * 1024,
      maxCheckouts: 20,
      minFreeDiskMiB: 0,
      commandPath: '/usr/local/bin:/usr/bin:/bin',
      ...settings,
    };
  }

  /** Runs the agent to its end; resolves with the reason. */
  run(): Promise<string> {
    const status = {
      publish: async (events: readonly StatusEvent[]): Promise<void> => {
        this.beforePublish(events);
        // As on the wire: what no consumer could read must not pass a test.
        this.published.push(...events.map((event) => statusEventSchema.parse(JSON.parse(JSON.stringify(event)))));
      },
    };
    const clock = systemClock;
    const log = createJsonLog((line) => this.logLines.push(line), clock, {});
    const queues = (_: string, priority: Priority) => this.queues[priority];
    const { control, blobs } = this;
    const credentials = NO_CREDENTIALS;
    const ports = { queues, status, control, blobs, credentials, clock, random: () => 0.5, log };
    return runAgent(this.settings, ports, this.lifecycle, {
      preparationBackoffSeconds: 0.2,
      preparationPatienceSeconds: 0.5,
    });
  }

  async send(...messages: Partial<TaskMessage>[]): Promise<void> {
    for (const message of messages) {
      await this.queues[message.priority ?? 'normal'].send([taskMessageFactory(message)]);
    }
  }

  /** Events on tasks, in the order in which they were published. */
  get taskEvents(): TaskEvent[] {
    return this.published.filter((event) => event.kind !== 'instance');
  }

  get instanceReports(): InstanceReport[] {
    return this.published.filter((event) => event.kind === 'instance');
  }

  eventOf<Kind extends TaskEvent['kind']>(kind: Kind): Extract<TaskEvent, { kind: Kind }> | undefined {
    return this.taskEvents.find((event): event is Extract<TaskEvent, { kind: Kind }> => event.kind === kind);
  }

  whenPublished(kind: StatusEvent['kind'], count = 1): Promise<boolean> {
    const seen = (): boolean => this.published.filter((event) => event.kind === kind).length >= count;
    return until(seen, () => `${count} ${kind} published; log: ${this.logLines.join('')}`);
  }

  /** Messages left on the normal queue, and how many of them are leased. */
  get depth() {
    return this.queues.normal.queue.depth();
  }
}
