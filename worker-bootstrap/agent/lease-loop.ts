/** Leases tasks while there are free slots, until the machine drains. */
import type { Clock, Received, TaskQueues } from '../../core/ports.ts';
import type { WorkSettings } from './config.ts';
import type { ControlWatch } from './control-watch.ts';
import { LeaseForecast } from './lease-length.ts';
import type { Lifecycle } from './lifecycle.ts';
import { type Log, messageOf } from './log.ts';
import type { OutcomeOutbox } from './outcome-outbox.ts';
import { type Poll, PollSchedule } from './poll-schedule.ts';
import type { Preparations } from './preparations.ts';
import { backoffMs } from './retry.ts';
import { sleep, unlessAborted } from './sleep.ts';
import type { HeldLease, TaskBench } from './task-bench.ts';

/** How many messages one receive call brings at most (SQS ReceiveMessage). */
const MAX_RECEIVE = 10;
/** How long a queue that came back empty is not asked again while another one has work. */
const REST_SECONDS = 5;

/** How long leases wait for the control document; then the one that is known has to do. */
const CONTROL_MS = 5_000;

export interface LeaseLoopTools {
  readonly settings: WorkSettings;
  readonly queues: TaskQueues;
  readonly bench: TaskBench;
  readonly preparations: Preparations;
  readonly control: ControlWatch;
  readonly outbox: OutcomeOutbox;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** When the machine's lifetime ends. */
  readonly lifeEndsAt: Date;
}

/** Runs until the lifecycle drains; when it returns, nothing more will be leased. Never throws. */
export async function leaseLoop(tools: LeaseLoopTools): Promise<void> {
  const { settings, bench, outbox, lifecycle, clock, preparations } = tools;
  const schedule = new PollSchedule({ restSeconds: REST_SECONDS, longPollSeconds: settings.pollSeconds });
  const forecast = new LeaseForecast(settings, (code) => preparations.isReady(code));
  let failures = 0;

  while (!lifecycle.draining.aborted) {
    if (bench.free === 0) {
      await unlessAborted(bench.whenOneEnds(), lifecycle.draining);
      continue;
    }
    const idleMs = clock.now().getTime() - bench.lastBusyAt;
    const idle = idleMs >= settings.idleSeconds * 1_000;
    if (idle && (outbox.failing || outbox.isEmpty)) {
      lifecycle.drain(outbox.failing ? 'the status channel cannot be reached' : 'idle');
      break;
    }
    if (outbox.failing || (idle && !outbox.isEmpty)) {
      // What could not be reported will be done again: no reason to do more of it.
      await sleep(50, lifecycle.draining);
      continue;
    }
    const poll = schedule.next(clock.now().getTime());
    const received = await receive(poll, forecast.expected(), idleMs, tools);
    if (received === 'failed') {
      failures += 1;
      await sleep(backoffMs(failures, tools.random()), lifecycle.draining);
      continue;
    }
    failures = 0;
    schedule.report(poll.priority, received.leases.length > 0, clock.now().getTime());
    if (received.leases.length > 0) await admit(received.leases, forecast, tools);
  }
}

interface Arrived extends HeldLease {
  readonly askedSeconds: number;
}

/**
 * One receive call. It is never cut short, not even by a shutdown: a poll that is aborted swallows a message until its
 * visibility ends. Only a kill does not wait.
 */
async function receive(
  poll: Poll,
  leaseSeconds: number,
  idleMs: number,
  { settings, queues, bench, lifecycle, clock, log }: LeaseLoopTools,
): Promise<(Omit<Received, 'leases'> & { leases: readonly Arrived[] }) | 'failed'> {
  const queue = queues(settings.fleet, poll.priority);
  const untilIdle = Math.ceil((settings.idleSeconds * 1_000 - idleMs) / 1_000);
  const waitSeconds = bench.isEmpty ? Math.max(0, Math.min(poll.waitSeconds, untilIdle)) : poll.waitSeconds;
  const maxMessages = Math.min(MAX_RECEIVE, bench.free);
  try {
    const received = await unlessAborted(queue.receive({ maxMessages, waitSeconds, leaseSeconds }), lifecycle.killing);
    if (!received) return { leases: [], unreadable: [] };
    for (const { reason, receiveCount } of received.unreadable) {
      // Left alone: its receive count takes it to the dead-letter queue, where somebody looks at it.
      log.warn('a message is no task message', { priority: poll.priority, receiveCount, reason });
    }
    const endsAt = new Date(clock.now().getTime() + leaseSeconds * 1_000);
    const { priority } = poll;
    const leases = received.leases.map((lease) => ({ lease, queue, priority, endsAt, askedSeconds: leaseSeconds }));
    return { leases, unreadable: received.unreadable };
  } catch (error) {
    log.warn('the task queue could not be asked', { priority: poll.priority, error: messageOf(error) });
    return 'failed';
  }
}

/** Decides on each lease that came: cancelled, given back, or put to work with the lease it needs. */
async function admit(arrived: readonly Arrived[], forecast: LeaseForecast, tools: LeaseLoopTools): Promise<void> {
  const { bench, control, lifecycle, log } = tools;
  if (!lifecycle.draining.aborted) {
    const limit = AbortSignal.any([lifecycle.draining, AbortSignal.timeout(CONTROL_MS)]);
    await unlessAborted(control.refresh(), limit);
  }
  if (control.isDraining) lifecycle.drain('drained by the control plane');
  if (lifecycle.draining.aborted) return bench.changeLease(arrived, 0);

  const wanted: Arrived[] = [];
  const unfit: Arrived[] = [];
  for (const each of arrived) {
    const { message } = each.lease;
    forecast.observe(message);
    const needed = forecast.needed(message);
    const kind = judge(each, needed, tools);
    if (kind === 'cancelled') bench.settleCancelled(each);
    else if (kind === 'never-fits') {
      const lifetime = tools.settings.maxLifetimeSeconds;
      bench.release(each, `the task needs ${needed} s, a machine of this fleet lives for ${lifetime} s`);
    } else if (kind === 'too-late') unfit.push(each);
    else wanted.push(each);
  }
  for (const each of await withFittingLeases(wanted, forecast, tools)) bench.start(each);
  if (unfit.length > 0) {
    log.info('the rest of the lifetime is too short for a task', { leases: unfit.length });
    lifecycle.drain('lifetime');
    await bench.changeLease(unfit, 0);
  }
}

type Verdict = 'cancelled' | 'never-fits' | 'too-late' | 'fits';

function judge({ lease }: Arrived, neededSeconds: number, tools: LeaseLoopTools): Verdict {
  const { control, settings, lifeEndsAt, clock, bench } = tools;
  if (control.isCancelled(lease.message.jobId)) return 'cancelled';
  // No machine of the fleet could hold it, and given back it would go round for ever: a release is counted.
  if (lease.message.timeoutSeconds + settings.graceSeconds > settings.maxLifetimeSeconds) return 'never-fits';
  const leftSeconds = (lifeEndsAt.getTime() - clock.now().getTime()) / 1_000;
  // The next machine would have no more time than a fresh one: this one must try.
  const fresh = !bench.hasWorked && leftSeconds > 0.9 * settings.maxLifetimeSeconds;
  return fresh || neededSeconds <= leftSeconds ? 'fits' : 'too-late';
}

/** Sets the lease of each task to what it needs, where that is not what was asked for. */
async function withFittingLeases(
  arrived: readonly Arrived[],
  forecast: LeaseForecast,
  { bench, clock }: LeaseLoopTools,
): Promise<HeldLease[]> {
  const fitted: HeldLease[] = [];
  for (const [needed, group] of Map.groupBy(arrived, (each) => forecast.needed(each.lease.message))) {
    const differing = group.filter((each) => each.askedSeconds !== needed);
    const endsAt = new Date(clock.now().getTime() + needed * 1_000);
    if (differing.length > 0) await bench.changeLease(differing, needed);
    fitted.push(...group.map((each) => (each.askedSeconds === needed ? each : { ...each, endsAt })));
  }
  return fitted;
}
