/** Leases that end without a word: what a loss changes, and what takes it back. */
import type { AttemptSums } from './counters.ts';
import type { EndedAttempt, TaskRecord } from './task.ts';
import { type EndingEvent, lostLease } from './task-report.ts';
import type { Situation, Transition } from './transition.ts';

/** The lease that ran the task is over, and so is what was done under it. */
export function losing({ current, context }: Situation, at: string, reason: string) {
  const entry = lostLease(current, at, reason, context.usdPerSecond(current.instanceId));
  const change = {
    lostLeases: current.lostLeases + 1,
    unchargedAttempts: current.unchargedAttempts + 1,
    attempts: [...current.attempts, entry],
  };
  return { change, entry };
}

export const sumsOfLoss = ({ seconds, costUsd = 0 }: EndedAttempt): Partial<AttemptSums> => ({
  costUsd,
  lostSeconds: seconds,
  lostUsd: costUsd,
});

/**
 * A lease that was thought lost and ends with a word after all was not lost: its entry in the history, and what it added
 * to the sums, give way to the true end.
 */
export function foundAfterAll<Event extends EndingEvent>(
  event: Event,
  situation: Situation,
  apply: (event: Event, situation: Situation) => Transition,
): Transition {
  const { current } = situation;
  const isThis = ({ outcome, leaseId, attempt }: EndedAttempt): boolean =>
    outcome === 'lost' && leaseId === event.leaseId && attempt === event.attempt;
  const entry = current.attempts.find(isThis);
  if (!entry) return apply(event, situation);
  const ofCurrent = event.attempt === current.attempt;
  const found: TaskRecord = {
    ...current,
    attempts: current.attempts.filter((each) => each !== entry),
    unchargedAttempts: Math.max(0, current.unchargedAttempts - 1),
    lostLeases: Math.max(0, current.lostLeases - (ofCurrent ? 1 : 0)),
  };
  const transition = apply(event, { ...situation, current: found });
  if (transition.kind !== 'applied') return transition;
  const { costUsd = 0, lostUsd = 0, lostSeconds = 0 } = sumsOfLoss(entry);
  const { delta } = transition;
  return {
    ...transition,
    delta: {
      ...delta,
      costUsd: delta.costUsd - costUsd,
      lostUsd: delta.lostUsd - lostUsd,
      lostSeconds: delta.lostSeconds - lostSeconds,
    },
  };
}
