/** What came out of it, summed over seeds: for people as a table, for programs as JSON. */
import { counted } from '../../core/counted.ts';
import type { Comparison } from './compare.ts';

export interface PolicyFigures {
  readonly policy: string;
  readonly costUsd: number;
  /** Against the bound for whoever may take as long as they like. */
  readonly timesPatientBound: number;
  /** Against the bound for whoever has each job done when target tracking had it done. */
  readonly timesPunctualBound: number;
  readonly finishSeconds: number;
  readonly waitSeconds: number;
  readonly waste: number;
  readonly machines: number;
  readonly interrupted: number;
  readonly secondsBeyondLease: number;
}

export interface WorkloadReport {
  readonly workload: string;
  readonly seeds: number;
  readonly policies: readonly PolicyFigures[];
}

export interface Report {
  readonly workloads: readonly WorkloadReport[];
  readonly shoal: {
    readonly costUsd: number;
    readonly timesPatientBound: number;
    readonly timesPunctualBound: number;
    /** Of its finish time to target tracking's, mean over the workloads. */
    readonly finishToTargetTracking: number;
    /** Policies that were as early and cheaper, by workload. */
    readonly beatenBy: readonly string[];
    readonly secondsBeyondLease: number;
  };
}

const OURS = 'Shoal';
const total = <Item>(items: readonly Item[], of: (item: Item) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0);

function ofWorkload(workload: string, comparisons: readonly Comparison[]): WorkloadReport {
  const names = comparisons[0]?.outcomes.map(({ policy }) => policy) ?? [];
  const seeds = comparisons.length;
  const policies = names.map((policy): PolicyFigures => {
    const outcomes = comparisons.flatMap((each) => each.outcomes.filter((outcome) => outcome.policy === policy));
    const costUsd = total(outcomes, (each) => each.costUsd);
    return {
      policy,
      costUsd: costUsd / seeds,
      timesPatientBound: costUsd / total(comparisons, ({ bounds }) => bounds.patientUsd),
      timesPunctualBound: costUsd / total(comparisons, ({ bounds }) => bounds.punctualUsd),
      finishSeconds: total(outcomes, (each) => each.meanFinishSeconds) / seeds,
      waitSeconds: total(outcomes, (each) => each.meanWaitSeconds) / seeds,
      waste: total(outcomes, (each) => each.waste) / seeds,
      machines: total(outcomes, (each) => each.machines) / seeds,
      interrupted: total(outcomes, (each) => each.interrupted) / seeds,
      secondsBeyondLease: total(outcomes, (each) => each.secondsBeyondLease),
    };
  });
  return { workload, seeds, policies };
}

export function reportOf(comparisons: readonly Comparison[]): Report {
  const workloads = [...Map.groupBy(comparisons, ({ workload }) => workload)].map(([name, own]) =>
    ofWorkload(name, own),
  );
  const ours = comparisons.flatMap(({ outcomes }) => outcomes.filter(({ policy }) => policy === OURS));
  const costUsd = total(ours, (each) => each.costUsd);
  const figures = (report: WorkloadReport, policy: string) => report.policies.find((each) => each.policy === policy);
  const finish = (report: WorkloadReport, policy: string): number => figures(report, policy)?.finishSeconds ?? 0;
  return {
    workloads,
    shoal: {
      costUsd,
      timesPatientBound: costUsd / total(comparisons, ({ bounds }) => bounds.patientUsd),
      timesPunctualBound: costUsd / total(comparisons, ({ bounds }) => bounds.punctualUsd),
      finishToTargetTracking:
        total(workloads, (each) => finish(each, OURS) / finish(each, 'target tracking')) / workloads.length,
      beatenBy: workloads.flatMap((report) => {
        const own = figures(report, OURS);
        return report.policies
          .filter(
            (each) => own && each.finishSeconds <= own.finishSeconds && each.costUsd < own.costUsd && each !== own,
          )
          .map(({ policy }) => `${policy} (${report.workload})`);
      }),
      secondsBeyondLease: total(ours, (each) => each.secondsBeyondLease),
    },
  };
}

const minutes = (seconds: number): string => `${(seconds / 60).toFixed(1)} min`;
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

export function tableOf({ workloads, shoal }: Report): string {
  const head = ['policy', 'cost', '× bound', '× punctual', 'finish', 'wait', 'waste', 'machines', 'lost'];
  const tables = workloads.map(({ workload, seeds, policies }) => {
    const rows = policies.map((each) => [
      each.policy,
      `$${each.costUsd.toFixed(3)}`,
      each.timesPatientBound.toFixed(3),
      each.timesPunctualBound.toFixed(3),
      minutes(each.finishSeconds),
      minutes(each.waitSeconds),
      percent(each.waste),
      each.machines.toFixed(0),
      each.interrupted.toFixed(1),
    ]);
    const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
    const line = (cells: readonly string[]): string =>
      cells
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ');
    return [`${workload} (${counted(seeds, 'seed')})`, line(head), ...rows.map(line)].join('\n');
  });
  const summary = [
    `Shoal over all: ${shoal.timesPatientBound.toFixed(3)} × the bound for whoever may take as long as they like,`,
    `${shoal.timesPunctualBound.toFixed(3)} × the bound for whoever is as early as target tracking;`,
    `its jobs are done in ${shoal.finishToTargetTracking.toFixed(2)} of target tracking's time (mean of the workloads).`,
    shoal.beatenBy.length > 0
      ? `As early and cheaper: ${shoal.beatenBy.join(', ')}.`
      : 'No policy is as early and cheaper.',
    `Seconds of machines beyond their lease: ${shoal.secondsBeyondLease}.`,
  ].join('\n');
  return [...tables, summary].join('\n\n');
}
