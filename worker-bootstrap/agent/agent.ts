/**
 * The agent: leases tasks and runs them until its machine ends, and tells the control plane so.
 *
 * `READY → DRAINING → TERMINATED`. It ends by itself: when its queues stay empty, before its lifetime could cut a task,
 * when it is asked to, or when it cannot prepare any work. Nobody ends a busy machine from outside.
 */
import type { CredentialUser } from '../../adapters/git/repository-credentials.ts';
import type { InstanceState } from '../../core/instance.ts';
import type { BlobStore, Clock, ControlChannel, StatusChannel, TaskQueues } from '../../core/ports.ts';
import { timesIn } from './capacity.ts';
import { CheckoutShelf } from './checkout-shelf.ts';
import type { WorkSettings } from './config.ts';
import { ControlWatch } from './control-watch.ts';
import { DiskSpace, probeOf } from './disk-space.ts';
import { JsonlPool } from './jsonl-pool.ts';
import { leaseLoop } from './lease-loop.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Log } from './log.ts';
import { OutcomeOutbox } from './outcome-outbox.ts';
import { Preparations } from './preparations.ts';
import { ProcessGroups } from './process-groups.ts';
import { TaskBench } from './task-bench.ts';
import { TaskInputs } from './task-input.ts';
import { TaskPace } from './task-pace.ts';
import { runTask } from './task-runner.ts';

export interface AgentPorts {
  readonly queues: TaskQueues;
  readonly status: StatusChannel;
  readonly control: ControlChannel;
  readonly blobs: BlobStore;
  readonly credentials: CredentialUser;
  readonly clock: Clock;
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

const MAX_FAILURES_IN_A_ROW = 3;
/** How long the last reports are tried: after the work, after an interruption, after a kill. */
const LAST_WORDS_MS = { drained: 60_000, interrupted: 20_000, killed: 5_000 } as const;

/** Runs until the machine's life ends; resolves with the reason. */
export async function runAgent(
  settings: WorkSettings,
  ports: AgentPorts,
  lifecycle: Lifecycle,
  tuning: AgentTuning = { preparationBackoffSeconds: 15, preparationPatienceSeconds: 30 },
): Promise<string> {
  const { clock, random, log, queues } = ports;
  const parts = assemble(settings, ports, lifecycle, tuning);
  const { outbox, bench } = parts;
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
  using _lifetime = endAtLifetime(settings, lifecycle);
  using _watch = watchControl(settings, parts, lifecycle);

  await leaseLoop({ settings, queues, lifecycle, clock, random, log, lifeEndsAt, ...parts });
  await bench.whenEmpty();
  await parts.pool.close();
  const reason = lifecycle.reason ?? 'unknown';
  tell('TERMINATED', reason);
  await outbox.close(LAST_WORDS_MS[stageOf(lifecycle)]);
  return reason;
}

function assemble(settings: WorkSettings, ports: AgentPorts, lifecycle: Lifecycle, tuning: AgentTuning) {
  const { status, blobs, credentials, clock, random, log } = ports;
  const outbox = new OutcomeOutbox({
    status,
    clock,
    random,
    log,
    onRefused: () => lifecycle.drain('the status channel refuses reports'),
  });
  const { fleet, instanceId } = settings;
  const channel = ports.control;
  const control = new ControlWatch({ channel, fleet, instanceId, clock, log, maxAgeSeconds: settings.controlSeconds });
  const groups = new ProcessGroups(settings.workDir);
  const stops = { stop: lifecycle.interrupting, kill: lifecycle.killing };
  const preparations: Preparations = new Preparations({
    settings,
    groups,
    credentials,
    clock,
    random,
    ...stops,
    backoffSeconds: tuning.preparationBackoffSeconds,
    patienceSeconds: tuning.preparationPatienceSeconds,
    onTried: (commit, outcome, seconds) => {
      log.info('a checkout was prepared', { commit, outcome: outcome.kind, seconds });
      if (outcome.kind !== 'failed' || preparations.failuresInARow < MAX_FAILURES_IN_A_ROW) return;
      lifecycle.drain(`preparation failed ${MAX_FAILURES_IN_A_ROW} times in a row`);
    },
  });
  const { graceSeconds } = settings;
  const pool: JsonlPool = new JsonlPool({
    graceSeconds,
    hurry: lifecycle.interrupting,
    kill: lifecycle.killing,
    room: () => bench.freeSlots,
  });
  const inputs = new TaskInputs(blobs);
  const disk = new DiskSpace(probeOf(settings.workDir));
  const { maxCheckouts, minFreeDiskMiB } = settings;
  const onRemoved = (commit: string): void => log.info('a checkout was removed', { commit });
  const checkouts = new CheckoutShelf({ preparations, disk, maxCheckouts, minFreeDiskMiB, onRemoved });
  const onDiskFull = (): void => lifecycle.drain('the disk is full');
  const { killing: kill } = lifecycle;
  const taskTools = { settings, checkouts, disk, onDiskFull, inputs, blobs, groups, pool, clock, random, kill };
  const pace = new TaskPace();
  const bench: TaskBench = new TaskBench({
    settings,
    lifecycle,
    control,
    outbox,
    pace,
    clock,
    random,
    log,
    run: (assignment, announce) => runTask(assignment, { ...taskTools, announce }),
  });
  return { outbox, control, preparations, bench, pace, pool };
}

const stageOf = (lifecycle: Lifecycle): keyof typeof LAST_WORDS_MS =>
  lifecycle.killing.aborted ? 'killed' : lifecycle.interrupting.aborted ? 'interrupted' : 'drained';

/** Tasks are only taken when they fit into the lifetime; this is for what did not keep to its time. */
function endAtLifetime({ maxLifetimeSeconds, graceSeconds }: WorkSettings, lifecycle: Lifecycle): Disposable {
  const seconds = Math.max(0, maxLifetimeSeconds - graceSeconds);
  const timer = setTimeout(() => lifecycle.interrupt('lifetime', 'draining'), seconds * 1_000);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** While work is held, the control document is read every `controlSeconds`; looking more often keeps that exact. */
function watchControl(
  { controlSeconds }: WorkSettings,
  { control, bench, pool }: { control: ControlWatch; bench: TaskBench; pool: JsonlPool },
  lifecycle: Lifecycle,
): Disposable {
  const look = async (): Promise<void> => {
    if (bench.isEmpty && pool.idleCount === 0) return;
    await control.refresh();
    bench.stopCancelled();
    pool.endJobs((jobId) => control.isCancelled(jobId));
    if (control.isDraining) lifecycle.drain('drained by the control plane');
  };
  const timer = setInterval(() => void look(), (controlSeconds * 1_000) / 4);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
