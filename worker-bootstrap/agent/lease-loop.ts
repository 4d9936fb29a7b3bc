/** Leases tasks while there are free slots or short tasks may wait for one, until the machine drains. */
import { ENDED_IDLE } from '../../core/instance.ts';
import type { TaskMessage } from '../../core/messages.ts';
import type { TaskQueues } from '../../core/ports.ts';
import type { Capacity } from './capacity.ts';
import type { AgentClock } from './clock.ts';
import type { WorkSettings } from './config.ts';
import type { ControlWatch } from './control-watch.ts';
import { LeaseForecast, waitingLeaseSeconds } from './lease-length.ts';
import type { Lifecycle } from './lifecycle.ts';
import { type Log, messageOf } from './log.ts';
import type { OutcomeOutbox } from './outcome-outbox.ts';
import { type Poll, PollSchedule } from './poll-schedule.ts';
import { backoffMs } from './retry.ts';
import { sleep, unlessAborted } from './sleep.ts';
import type { HeldLease, TaskBench } from './task-bench.ts';
import type { TaskPace } from './task-pace.ts';

/** How many messages one receive call brings at most (SQS ReceiveMessage). */
const MAX_RECEIVE = 10;
/** How long a queue that came back empty is not asked again while another one has work. */
const REST_SECONDS = 5;

/** So long a message of a paused job stays out of the way of others; each look at it counts as a receive. */
const PAUSED_SECONDS = 300;

/** How long leases wait for the control document; then the one that is known has to do. */
const CONTROL_MS = 5_000;

export interface LeaseLoopTools {
  readonly settings: WorkSettings;
  readonly queues: TaskQueues;
  readonly bench: TaskBench;
  readonly pace: TaskPace;
  /** Whether a task's code is prepared on this machine: the lease need not allow for that. */
  readonly isPrepared: (code: TaskMessage['code']) => boolean;
  readonly control: ControlWatch;
  readonly outbox: OutcomeOutbox;
  readonly lifecycle: Lifecycle;
  readonly clock: AgentClock;
  readonly random: () => number;
  readonly log: Log;
  /** When the machine's lifetime ends. */
  readonly lifeEndsAt: Date;
}

/** Runs until the lifecycle drains; when it returns, nothing more will be leased. Never throws. */
export async function leaseLoop(tools: LeaseLoopTools): Promise<void> {
  const { settings, bench, outbox, lifecycle, clock } = tools;
  const schedule = new PollSchedule({ restSeconds: REST_SECONDS, longPollSeconds: settings.pollSeconds });
  const forecast = new LeaseForecast(settings, tools.isPrepared);
  let failures = 0;
  const { user, system } = process.cpuUsage();
  tools.log.info('the first tasks are asked for', { cpuMs: Math.round((user + system) / 1_000) });

  while (!lifecycle.draining.aborted) {
    const idleMs = clock.now().getTime() - bench.lastBusyAt;
    const idle = idleMs >= settings.idleSeconds * 1_000;
    if (idle && (outbox.failing || outbox.isEmpty)) {
      lifecycle.drain(outbox.failing ? 'the status channel cannot be reached' : ENDED_IDLE);
      break;
    }
    if (outbox.failing || outbox.isFull || (idle && !outbox.isEmpty)) {
      // What could not be reported will be done again: no reason to do more of it.
      await sleep(clock, 50, lifecycle.draining);
      continue;
    }
    const wish = wishFor(forecast, tools);
    if (wish.messages === 0) {
      await unlessAborted(bench.whenOneEnds(), lifecycle.draining);
      continue;
    }
    const poll = schedule.next(clock.now().getTime());
    const received = await receive(poll, wish, idleMs, tools);
    if (received === 'failed') {
      failures += 1;
      await sleep(clock, backoffMs(failures, tools.random()), lifecycle.draining);
      continue;
    }
    failures = 0;
    schedule.report(poll.priority, received.length > 0, clock.now().getTime());
    if (received.length > 0) await admit(received, forecast, tools);
  }
}

/** What to ask for in the next receive call. */
interface Wish {
  /** 0: nothing now. */
  readonly messages: number;
  readonly leaseSeconds: number;
}

/** Free slots, and what will start soon: asked for ten at a time where that many may wait. */
function wishFor(forecast: LeaseForecast, { bench, pace }: LeaseLoopTools): Wish {
  const needed = forecast.expected();
  const waitingLease = waitingLeaseSeconds(needed);
  const { lastJobId } = forecast;
  const mayWait =
    waitingLease === null || lastJobId === null ? 0 : pace.waitingAllowed(lastJobId, bench.slots, waitingLease);
  const missing = bench.freeSlots + mayWait - bench.waiting;
  const worthACall = Math.min(MAX_RECEIVE, Math.ceil(mayWait / 2));
  const isStarved = bench.freeSlots > bench.waiting;
  const messages = missing > 0 && (isStarved || missing >= worthACall) ? Math.min(MAX_RECEIVE, missing) : 0;
  return { messages, leaseSeconds: mayWait > 0 && waitingLease !== null ? waitingLease : needed };
}

interface Arrived extends Omit<HeldLease, 'startBy'> {
  readonly askedSeconds: number;
}

/**
 * One receive call. It is never cut short, not even by a shutdown: a poll that is aborted swallows a message until its
 * visibility ends. Only a kill does not wait.
 */
async function receive(
  poll: Poll,
  { messages, leaseSeconds }: Wish,
  idleMs: number,
  { settings, queues, bench, lifecycle, clock, log }: LeaseLoopTools,
): Promise<readonly Arrived[] | 'failed'> {
  const { priority } = poll;
  const queue = queues(settings.fleet, priority);
  const untilIdle = Math.ceil((settings.idleSeconds * 1_000 - idleMs) / 1_000);
  const waitSeconds = bench.isEmpty ? Math.max(0, Math.min(poll.waitSeconds, untilIdle)) : poll.waitSeconds;
  try {
    const call = queue.receive({ maxMessages: messages, waitSeconds, leaseSeconds });
    const received = await unlessAborted(call, lifecycle.killing);
    if (!received) return [];
    for (const { reason, receiveCount } of received.unreadable) {
      // Left alone: its receive count takes it to the dead-letter queue, where somebody looks at it.
      log.warn('a message is no task message', { priority, receiveCount, reason });
    }
    const endsAt = new Date(clock.now().getTime() + leaseSeconds * 1_000);
    return received.leases.map((lease) => ({ lease, queue, priority, endsAt, askedSeconds: leaseSeconds }));
  } catch (error) {
    log.warn('the task queue could not be asked', { priority, error: messageOf(error) });
    return 'failed';
  }
}

/** Decides on each lease that came: cancelled, given back, or put to work with the lease it needs. */
async function admit(arrived: readonly Arrived[], forecast: LeaseForecast, tools: LeaseLoopTools): Promise<void> {
  const { bench, control, lifecycle, log } = tools;
  if (!lifecycle.draining.aborted && control.isStale) {
    await lookAtControl(tools);
  }
  if (control.isDraining) lifecycle.drain('drained by the control plane');
  if (lifecycle.draining.aborted) {
    await bench.changeLease(arrived, 0);
    return;
  }

  const wanted: Arrived[] = [];
  const unfit: Arrived[] = [];
  const paused: Arrived[] = [];
  const left: Arrived[] = [];
  for (const each of arrived) {
    const held = { ...each, startBy: each.endsAt };
    const verdict = judge(each, forecast.needed(each.lease.message), tools);
    if (verdict === 'cancelled') bench.settleCancelled(held);
    else if (verdict === 'paused') paused.push(each);
    else if (verdict === 'left') left.push(each);
    else if (verdict === 'too-late') unfit.push(each);
    else if (verdict === 'fits') {
      forecast.observe(each.lease.message);
      wanted.push(each);
    } else bench.release(held, verdict.neverFits);
  }
  await bench.changeLease(paused, PAUSED_SECONDS);
  await bench.drop(left);
  for (const each of await withFittingLeases(wanted, forecast, tools)) bench.take(each);
  if (unfit.length > 0) {
    log.info('the rest of the lifetime is too short for a task', { leases: unfit.length });
    lifecycle.drain('lifetime');
    await bench.changeLease(unfit, 0);
  }
}

/** Reads the control document. */
async function lookAtControl({ control, lifecycle, clock }: LeaseLoopTools): Promise<void> {
  const limit = new AbortController();
  const cancelLimit = clock.after(CONTROL_MS, () => limit.abort());
  await unlessAborted(control.refresh(), AbortSignal.any([lifecycle.draining, limit.signal]));
  cancelLimit();
}

type Verdict = 'cancelled' | 'left' | 'paused' | { readonly neverFits: string } | 'too-late' | 'fits';

function judge({ lease }: Arrived, neededSeconds: number, tools: LeaseLoopTools): Verdict {
  const { control, settings, lifeEndsAt, clock, bench } = tools;
  if (control.isCancelled(lease.message)) return 'cancelled';
  if (control.hasLeft(lease.message.jobId)) return 'left';
  if (control.isPaused(lease.message.jobId)) return 'paused';
  // No machine of the fleet could hold it, and given back it would go round for ever: a release is counted.
  const { maxLifetimeSeconds } = settings;
  if (lease.message.timeoutSeconds + settings.graceSeconds > maxLifetimeSeconds) {
    const neverFits = `the task needs ${neededSeconds} s, a machine of this fleet lives for ${maxLifetimeSeconds} s`;
    return { neverFits };
  }
  if (!bench.canEverRun(lease.message)) return { neverFits: describeMisfit(lease.message, settings.capacity) };
  const leftSeconds = (lifeEndsAt.getTime() - clock.now().getTime()) / 1_000;
  // The next machine would have no more time than a fresh one: this one must try.
  const fresh = !bench.hasWorked && leftSeconds > 0.9 * settings.maxLifetimeSeconds;
  return fresh || neededSeconds <= leftSeconds ? 'fits' : 'too-late';
}

function describeMisfit({ resources }: TaskMessage, { vcpus, memoryMiB, diskGiB }: Capacity): string {
  const needs = `${resources?.vcpu} vCPUs, ${resources?.memoryMiB} MiB of memory and ${resources?.diskGiB} GiB of disk`;
  return `the task needs ${needs}, this machine has ${vcpus}, ${memoryMiB} MiB and ${diskGiB} GiB`;
}

/** Sets the lease of each task to what it needs, where what was asked for is too short, or longer than any wait. */
async function withFittingLeases(
  arrived: readonly Arrived[],
  forecast: LeaseForecast,
  { bench, clock, settings }: LeaseLoopTools,
): Promise<HeldLease[]> {
  const slackMs = Math.max(1, settings.leaseGraceSeconds / 2) * 1_000;
  const fitted: HeldLease[] = [];
  for (const [needed, group] of Map.groupBy(arrived, (each) => forecast.needed(each.lease.message))) {
    const longest = waitingLeaseSeconds(needed) ?? needed;
    const isRight = ({ askedSeconds }: Arrived): boolean => askedSeconds >= needed && askedSeconds <= longest;
    const differing = group.filter((each) => !isRight(each));
    const endsAt = new Date(clock.now().getTime() + needed * 1_000);
    const isChanged = differing.length === 0 || (await bench.changeLease(differing, needed));
    for (const each of group) {
      // A lease that ends in mid-task makes two machines run it: left alone, it comes back by itself.
      if (!isChanged && each.askedSeconds < needed) continue;
      const ends = isRight(each) || !isChanged ? each.endsAt : endsAt;
      fitted.push({ ...each, endsAt: ends, startBy: new Date(ends.getTime() - needed * 1_000 + slackMs) });
    }
  }
  return fitted;
}
