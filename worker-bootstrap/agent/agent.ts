/**
 * The agent: leases tasks and runs them until its machine ends, and tells the control plane so.
 *
 * `READY → DRAINING → TERMINATED`, or `INTERRUPTED` where its provider takes it back. It ends by itself: when its queues
 * stay empty, before its lifetime could cut a task, when it is asked to, when it cannot prepare any work, or when tasks
 * die on it whosever they are. Nobody ends a busy machine from outside.
 */
import type { CredentialUser } from '../../adapters/git/repository-credentials.ts';
import type { InstanceState } from '../../core/instance.ts';
import type { BlobStore, ControlChannel, StatusChannel, TaskQueues } from '../../core/ports.ts';
import { timesIn } from './capacity.ts';
import type { AgentClock } from './clock.ts';
import type { WorkSettings } from './config.ts';
import { ControlWatch } from './control-watch.ts';
import { HostHealth } from './host-health.ts';
import { leaseLoop } from './lease-loop.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Log } from './log.ts';
import { OutcomeOutbox } from './outcome-outbox.ts';
import { TaskBench } from './task-bench.ts';
import { TaskPace } from './task-pace.ts';
import { type OpenWorkshop, openWorkshop, type Workshop } from './workshop.ts';

export interface AgentPorts {
  readonly queues: TaskQueues;
  readonly status: StatusChannel;
  readonly control: ControlChannel;
  readonly blobs: BlobStore;
  readonly credentials: CredentialUser;
  readonly clock: AgentClock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

export interface AgentTuning {
  /** How long a failed preparation stands. */
  readonly preparationBackoffSeconds: number;
  /** How long a repository's host that does not answer is asked again: the job shall show why within a minute. */
  readonly preparationPatienceSeconds: number;
}

/** How long the last reports are tried: after the work, after an interruption, after a kill. */
const LAST_WORDS_MS = { drained: 60_000, interrupted: 20_000, killed: 5_000 } as const;

/**
 * Runs until the machine's life ends; resolves with the reason.
 * @param open opens what runs the tasks; another one than the machine's own is for a simulator
 */
export async function runAgent(
  settings: WorkSettings,
  ports: AgentPorts,
  lifecycle: Lifecycle,
  tuning: AgentTuning = { preparationBackoffSeconds: 15, preparationPatienceSeconds: 30 },
  open: OpenWorkshop = openWorkshop,
): Promise<string> {
  const { clock, random, log, queues } = ports;
  const parts = assemble(settings, ports, lifecycle, tuning, open);
  const { outbox, bench, workshop } = parts;
  const lifeEndsAt = new Date(clock.now().getTime() + settings.maxLifetimeSeconds * 1_000);
  const slots = Math.max(1, timesIn(settings.slot, settings.capacity));
  const expiresAt = lifeEndsAt.toISOString();
  const tell = (state: InstanceState, reason: string | null): void => {
    log.info('the instance changes its state', { state, reason });
    const { instanceId, fleet } = settings;
    const at = clock.now().toISOString();
    const event = { kind: 'instance', instanceId, fleet, state, reason, at, slots, expiresAt } as const;
    void outbox.put({ event, urgent: true });
  };

  lifecycle.draining.addEventListener('abort', () => tell('DRAINING', lifecycle.reason), { once: true });
  tell('READY', null);
  using _lifetime = endAtLifetime(settings, lifecycle, clock);
  using _watch = watchControl(settings, parts, lifecycle, clock);

  const isPrepared = workshop.isPrepared.bind(workshop);
  await leaseLoop({ settings, queues, lifecycle, clock, random, log, lifeEndsAt, isPrepared, ...parts });
  await bench.whenEmpty();
  await workshop.close();
  const reason = lifecycle.reason ?? 'unknown';
  tell(lifecycle.isTakenBack ? 'INTERRUPTED' : 'TERMINATED', reason);
  await outbox.close(LAST_WORDS_MS[stageOf(lifecycle)]);
  return reason;
}

function assemble(
  settings: WorkSettings,
  ports: AgentPorts,
  lifecycle: Lifecycle,
  tuning: AgentTuning,
  open: OpenWorkshop,
) {
  const { status, clock, random, log } = ports;
  const { fleet, instanceId, controlSeconds } = settings;
  const outbox = new OutcomeOutbox({
    status,
    clock,
    random,
    log,
    onRefused: () => lifecycle.drain('the status channel refuses reports'),
  });
  const channel = ports.control;
  const control = new ControlWatch({ channel, fleet, instanceId, clock, log, maxAgeSeconds: controlSeconds });
  const workshop = open({ settings, ports, lifecycle, tuning, freeSlots: () => bench.freeSlots });
  const pace = new TaskPace();
  const health = new HostHealth();
  const bench: TaskBench = new TaskBench({
    settings,
    lifecycle,
    control,
    outbox,
    pace,
    clock,
    random,
    log,
    run: async (assignment, announce) => {
      const outcome = await workshop.run(assignment, announce);
      const { jobId, code } = assignment.lease.message;
      const unfit = health.observe(jobId, outcome, workshop.isPrepared(code));
      if (unfit) lifecycle.drain(unfit);
      return outcome;
    },
  });
  return { outbox, control, workshop, bench, pace };
}

const stageOf = (lifecycle: Lifecycle): keyof typeof LAST_WORDS_MS =>
  lifecycle.killing.aborted ? 'killed' : lifecycle.interrupting.aborted ? 'interrupted' : 'drained';

/** Tasks are only taken when they fit into the lifetime; this is for what did not keep to its time. */
function endAtLifetime(
  { maxLifetimeSeconds, graceSeconds }: WorkSettings,
  lifecycle: Lifecycle,
  clock: AgentClock,
): Disposable {
  const seconds = Math.max(0, maxLifetimeSeconds - graceSeconds);
  return { [Symbol.dispose]: clock.after(seconds * 1_000, () => lifecycle.interrupt('lifetime', 'draining')) };
}

/** While work is held, the control document is read every `controlSeconds`; looking more often keeps that exact. */
function watchControl(
  { controlSeconds }: WorkSettings,
  { control, bench, workshop }: { control: ControlWatch; bench: TaskBench; workshop: Workshop },
  lifecycle: Lifecycle,
  clock: AgentClock,
): Disposable {
  const look = async (): Promise<void> => {
    if (bench.isEmpty && !workshop.keepsProcesses) return;
    await control.refresh();
    bench.stopCancelled();
    bench.giveBackPaused();
    bench.dropLeft();
    workshop.endJobs((jobId) => control.isOver(jobId));
    if (control.isDraining) lifecycle.drain('drained by the control plane');
  };
  const again = (): (() => void) =>
    clock.after((controlSeconds * 1_000) / 4, () => {
      cancel = again();
      void look();
    });
  let cancel = again();
  return { [Symbol.dispose]: () => cancel() };
}
