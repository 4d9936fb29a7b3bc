/**
 * What a job will cost on a fleet and when it will be done, before anything runs: `estimateJob(work, fleet, offers, now)`.
 *
 * A range, not a figure: the low end takes the fewest seconds a task that may be, the high end the most, and in each case the
 * scaler launches as many machines as it would by then. The likely figure lies between.
 *
 *     machines = as `planScale` would have it: fewest that finish within the deadline or the drain target, within bounds
 *     seconds  = boot + the tasks of one slot after another
 *     cost     = machines × price × (boot + tasks + idle end)
 *
 * What cannot be held together (budget, deadline, bounds) is told in words, each with what would be possible.
 */
import { type Choice, chooseInstances, workloadToCome } from './choose-instances.ts';
import { counted } from './counted.ts';
import type { Fleet } from './fleet.ts';
import { usd } from './money.ts';
import { isOwn } from './own-machines.ts';
import type { OfferList } from './ports.ts';

export interface EstimatedWork {
  readonly taskCount: number;
  readonly secondsPerTask: SecondsRange;
  /** Slots that one task takes. */
  readonly slotsPerTask: number;
  readonly maxInstances: number | null;
  readonly budgetUsd: number | null;
  readonly deadline: string | null;
}

export interface SecondsRange {
  readonly low: number;
  readonly likely: number;
  readonly high: number;
  /** Where it comes from, in words. */
  readonly basis: string;
}

export interface Estimate {
  readonly fleet: string;
  /** `null`: no machine fits, or no prices are known. */
  readonly costUsd: { readonly low: number; readonly likely: number; readonly high: number } | null;
  readonly finishAt: { readonly earliest: string; readonly likely: string; readonly latest: string } | null;
  readonly machine: EstimatedMachine | null;
  readonly secondsPerTask: SecondsRange;
  readonly prices: { readonly source: string; readonly observedAt: string; readonly ageDays: number };
  /** What cannot be had together, in sentences. */
  readonly conflicts: readonly string[];
  /** Why this machine, or why none. */
  readonly reasons: readonly string[];
}

export interface EstimatedMachine {
  readonly instanceType: string;
  readonly market: 'spot' | 'on-demand';
  readonly slots: number;
  readonly hourlyPriceUsd: number;
  readonly count: number;
}

export interface EstimateSettings {
  readonly bootSeconds: number;
}

/** Spot prices move, and machines are lost: the ends of the range take prices so much lower and higher. */
const PRICE_LOW = 0.95;
const PRICE_HIGH = 1.2;
const REASONS_TOLD = 4;

/** Estimates one fleet. Pure. @param offers of any provider; only the fleet's count */
export function estimateJob(
  work: EstimatedWork,
  fleet: Fleet,
  { offers, observedAt, source }: OfferList,
  now: Date,
  settings: EstimateSettings,
): Estimate {
  const ageDays = Math.max(0, Math.floor((now.getTime() - Date.parse(observedAt)) / 86_400_000));
  const said = {
    fleet: fleet.name,
    secondsPerTask: work.secondsPerTask,
    prices: { source, observedAt, ageDays },
  };
  const workload = workloadToCome(fleet, {
    tasks: work.taskCount,
    slotsPerTask: work.slotsPerTask,
    secondsPerTask: work.secondsPerTask.likely,
    bootSeconds: settings.bootSeconds,
  });
  const { choices, refused } = chooseInstances(fleet, workload, offers);
  const [best] = choices;
  if (!best) {
    const own = refused.filter(({ offer }) => offer.provider === fleet.provider);
    const reasons = isOwn(fleet)
      ? ['its machines are your own: what they cost is not counted, and how many join is not known']
      : own.length === 0
        ? [`no prices of ${fleet.provider} are known`]
        : [...countedReasons(own)];
    return { ...said, costUsd: null, finishAt: null, machine: null, conflicts: [], reasons };
  }
  const runs = { work, fleet, best, now, settings };
  const [low, likely, high] = [
    planned(runs, work.secondsPerTask.low),
    planned(runs, work.secondsPerTask.likely),
    planned(runs, work.secondsPerTask.high),
  ];
  const at = (seconds: number): string => new Date(now.getTime() + seconds * 1_000).toISOString();
  return {
    ...said,
    costUsd: { low: low.costUsd * PRICE_LOW, likely: likely.costUsd, high: high.costUsd * PRICE_HIGH },
    // More seconds a task may mean more machines, and an earlier end.
    finishAt: {
      earliest: at(Math.min(low.seconds, likely.seconds)),
      likely: at(likely.seconds),
      latest: at(Math.max(likely.seconds, high.seconds)),
    },
    machine: {
      instanceType: best.offer.instanceType,
      market: best.offer.market,
      slots: best.slots,
      hourlyPriceUsd: best.hourlyPriceUsd,
      count: likely.machines,
    },
    conflicts: conflictsOf(runs, likely),
    reasons: choices
      .slice(0, REASONS_TOLD)
      .map(({ offer, reason }, index) => (index === 0 ? reason : `${offer.instanceType} (${offer.market}): ${reason}`)),
  };
}

interface Runs {
  readonly work: EstimatedWork;
  readonly fleet: Fleet;
  readonly best: Choice;
  readonly now: Date;
  readonly settings: EstimateSettings;
}

interface Run {
  readonly machines: number;
  readonly seconds: number;
  readonly costUsd: number;
}

const tasksAtOnce = ({ work, best }: Runs): number => Math.max(1, Math.floor(best.slots / work.slotsPerTask));
const mostMachines = (runs: Runs): number =>
  Math.min(
    runs.fleet.maxInstances,
    runs.work.maxInstances ?? Number.POSITIVE_INFINITY,
    Math.ceil(runs.work.taskCount / tasksAtOnce(runs)),
  );

/** With so many machines. */
function runWith(runs: Runs, machines: number, secondsPerTask: number): Run {
  const { work, fleet, best, settings } = runs;
  const perSlot = Math.ceil(work.taskCount / (machines * tasksAtOnce(runs)));
  const seconds = settings.bootSeconds + perSlot * secondsPerTask;
  return { machines, seconds, costUsd: (machines * best.hourlyPriceUsd * (seconds + fleet.idleSeconds)) / 3_600 };
}

/** With the machines that the scaler would launch. */
function planned(runs: Runs, secondsPerTask: number): Run {
  const { work, fleet, now, settings } = runs;
  const untilDeadline = work.deadline === null ? null : (Date.parse(work.deadline) - now.getTime()) / 1_000;
  const target = untilDeadline === null ? fleet.drainTargetSeconds : untilDeadline - settings.bootSeconds;
  const tasksEach = Math.max(1, Math.floor(Math.max(1, target) / secondsPerTask));
  const machines = Math.ceil(work.taskCount / (tasksEach * tasksAtOnce(runs)));
  return runWith(runs, Math.max(1, Math.min(machines, mostMachines(runs))), secondsPerTask);
}

function conflictsOf(runs: Runs, likely: Run): string[] {
  const { work, now } = runs;
  const { budgetUsd, deadline } = work;
  const seconds = work.secondsPerTask.likely;
  const when = (run: Run): string => moment(new Date(now.getTime() + run.seconds * 1_000));
  const late = deadline !== null && now.getTime() + likely.seconds * 1_000 > Date.parse(deadline);
  const conflicts = late
    ? [
        `${moment(new Date(deadline))} cannot be met: the ${counted(likely.machines, 'machine that is allowed has', 'machines that are allowed have')} it done about ${when(likely)}`,
      ]
    : [];
  if (budgetUsd === null || likely.costUsd <= budgetUsd) return conflicts;
  const frugal = runWith(runs, 1, seconds);
  if (frugal.costUsd > budgetUsd) {
    return [...conflicts, `${usd(budgetUsd)} will not do: it costs about ${usd(frugal.costUsd)}, however slowly`];
  }
  const costs = `${usd(likely.costUsd)}`;
  const affordable = within(runs, budgetUsd, likely.machines, seconds);
  const instead = `${usd(budgetUsd)} has it done about ${when(affordable)}`;
  return deadline !== null && !late
    ? [
        `${usd(budgetUsd)} and ${moment(new Date(deadline))} cannot both hold: ${moment(new Date(deadline))} costs about ${costs}; ${instead}`,
      ]
    : [...conflicts, `${usd(budgetUsd)} will not do at this pace, which costs about ${costs}; ${instead}`];
}

/** The most machines that a budget pays for: fewer boots and idle ends cost less. */
function within(runs: Runs, budgetUsd: number, most: number, secondsPerTask: number): Run {
  for (let machines = most; machines > 1; machines -= 1) {
    const run = runWith(runs, machines, secondsPerTask);
    if (run.costUsd <= budgetUsd) return run;
  }
  return runWith(runs, 1, secondsPerTask);
}

/** `2026-03-01 18:00 UTC`. */
const moment = (at: Date): string => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** The commonest first. */
function countedReasons(refused: readonly { readonly reason: string }[]): string[] {
  const counts = new Map<string, number>();
  for (const { reason } of refused) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, REASONS_TOLD)
    .map(([reason, count]) => `no machine fits; of ${count} it is true: ${reason}`);
}

export interface MeasuredSeconds {
  /** The mean of so many tasks. */
  readonly seconds: number;
  readonly tasks: number;
  /** Of the very job; of earlier ones with the same code and command, unless told. */
  readonly ofThisJob?: boolean;
}

/**
 * What is known of the seconds a task, as a range: a job's own first tasks tell most, then what its user expects, then what
 * earlier jobs took.
 */
export function secondsRange(known: {
  readonly measured: MeasuredSeconds | null;
  readonly expectedSeconds: number | null;
  readonly timeoutSeconds: number;
}): SecondsRange {
  const { measured, expectedSeconds, timeoutSeconds } = known;
  const range = (seconds: number, down: number, up: number, basis: string): SecondsRange => ({
    low: seconds * down,
    likely: seconds,
    high: Math.max(seconds, Math.min(seconds * up, timeoutSeconds)),
    basis,
  });
  if (measured?.ofThisJob) {
    // The mean of few may be far off; of many it is not.
    const spread = Math.max(LEAST_SPREAD, Math.min(MOST_SPREAD, 1 / Math.sqrt(measured.tasks)));
    const basis = `measured: ${counted(measured.tasks, 'task')} of this job`;
    return range(measured.seconds, 1 - spread, 1 + spread, basis);
  }
  if (expectedSeconds !== null) return range(expectedSeconds, 0.6, 1.6, 'as expectedSeconds says');
  if (measured) {
    return range(
      measured.seconds,
      0.8,
      1.3,
      `measured: ${counted(measured.tasks, 'task')} of earlier jobs with this command`,
    );
  }
  const guess = Math.min(UNKNOWN_SECONDS, timeoutSeconds);
  return {
    low: guess / 10,
    likely: guess,
    high: timeoutSeconds,
    basis: 'unknown: the first tasks will tell; until then anything up to the time limit of a task',
  };
}
const UNKNOWN_SECONDS = 60;
const LEAST_SPREAD = 0.05;
const MOST_SPREAD = 0.6;
