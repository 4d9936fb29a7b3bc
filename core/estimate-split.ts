/** What a job over several fleets will cost and when it will be done: each fleet's share of it, put together. */
import type { Estimate } from './estimate.ts';
import { usd } from './money.ts';

export interface SplitEstimate {
  readonly fleet: readonly string[];
  /** `null`: of one of the shares it is not known. */
  readonly costUsd: Estimate['costUsd'];
  /** When the last of them is done. */
  readonly finishAt: Estimate['finishAt'];
  /** Fleets that have tasks of it. */
  readonly shares: readonly { readonly tasks: number; readonly estimate: Estimate }[];
  readonly conflicts: readonly string[];
  /** Why it is split like this. */
  readonly reasons: readonly string[];
}

/** Puts estimates of the shares together. Pure. @param shares each estimated for its own tasks, without a budget */
export function estimateSplit(
  fleet: readonly string[],
  shares: SplitEstimate['shares'],
  budgetUsd: number | null,
  reasons: readonly string[],
): SplitEstimate {
  const costs = shares.flatMap(({ estimate }) => estimate.costUsd ?? []);
  const ends = shares.flatMap(({ estimate }) => estimate.finishAt ?? []);
  const sumOf = (end: 'low' | 'likely' | 'high'): number => costs.reduce((sum, cost) => sum + cost[end], 0);
  const lastOf = (end: 'earliest' | 'likely' | 'latest'): string =>
    new Date(Math.max(0, ...ends.map((each) => Date.parse(each[end])))).toISOString();
  const isKnown = costs.length === shares.length && shares.length > 0;
  const costUsd = isKnown ? { low: sumOf('low'), likely: sumOf('likely'), high: sumOf('high') } : null;
  const tooDear =
    costUsd && budgetUsd !== null && costUsd.likely > budgetUsd
      ? [
          `${usd(budgetUsd)} will not do at this pace, which costs about ${usd(costUsd.likely)} on all its fleets together`,
        ]
      : [];
  return {
    fleet,
    costUsd,
    finishAt:
      ends.length === shares.length && shares.length > 0
        ? { earliest: lastOf('earliest'), likely: lastOf('likely'), latest: lastOf('latest') }
        : null,
    shares,
    conflicts: [
      ...shares.flatMap(({ estimate }) => estimate.conflicts.map((each) => `${estimate.fleet}: ${each}`)),
      ...tooDear,
    ],
    reasons,
  };
}
