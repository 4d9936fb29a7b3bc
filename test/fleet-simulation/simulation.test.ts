import { describe, expect, it } from 'vitest';
import { offerFactory } from '../factories/offer.ts';
import { compare, rentOf, simulatedFleet } from './compare.ts';
import { reportOf, tableOf } from './report.ts';
import { shoalPolicy } from './shoal-policy.ts';
import { simulate } from './simulate.ts';
import { poolsOf } from './virtual-cloud.ts';
import { WORKLOAD_NAMES, type Workload, workloadOf, workloadOfCsv } from './workloads.ts';

/** A made-up workload, thinned out: tests have seconds. */
const thinned = (name: string, seed: number, share: number): Workload => ({
  name,
  tasks: workloadOf(name, seed).tasks.filter((_, index) => index % share === 0),
});

describe('Shoal over made-up workloads', () => {
  it('stays near the bound, and nobody is as early and cheaper', { timeout: 60_000 }, async () => {
    const shares: Record<string, number> = { 'one huge job': 10, bursty: 10, 'heavy-tailed': 2, 'many small jobs': 4 };
    const comparisons = [];
    for (const [name, share] of Object.entries(shares)) comparisons.push(await compare(thinned(name, 1, share), 1));

    const { shoal, workloads } = reportOf(comparisons);

    expect(shoal.timesPatientBound).toBeLessThan(1.15);
    expect(shoal.beatenBy).toEqual([]);
    expect(shoal.secondsBeyondLease).toBe(0);
    expect(workloads).toHaveLength(4);
    expect(tableOf(reportOf(comparisons))).toContain('No policy is as early and cheaper.');
    for (const { outcomes, bounds } of comparisons) {
      for (const { costUsd } of outcomes) expect(costUsd).toBeGreaterThan(bounds.patientUsd);
      expect(bounds.punctualUsd).toBeGreaterThanOrEqual(bounds.patientUsd * 0.999);
    }
  });

  it('is the same for the same seed, and another for another', async () => {
    const figures = async (seed: number) =>
      (await compare(thinned('bursty', seed, 40), seed)).outcomes.map(({ costUsd, machines }) => [costUsd, machines]);

    expect(await figures(3)).toEqual(await figures(3));
    expect(await figures(3)).not.toEqual(await figures(4));
  });
});

describe('the fleet in the simulation', () => {
  const fleet = simulatedFleet({ maxInstances: 7 });
  const rent = rentOf(poolsOf([offerFactory()], 1), fleet, 60);
  const settings = { seed: 1, maxLifetimeSeconds: 86_400, timeoutSeconds: 600 };
  const workload = thinned('one huge job', 1, 40);
  const options = { fleet, timeoutSeconds: 600, bootSeconds: 60, unknownSecondsPerTask: 60 };

  it('never has more machines than its maximum', () => {
    expect(simulate(workload, shoalPolicy(options), rent, settings).mostMachines).toBe(7);
  });

  it('never launches beyond the budget: spent, committed and asked for stay within', () => {
    const budgetUsd = 0.02;
    const plans: { launch: number; leftUsd: number; priceUsd: number }[] = [];
    const policy = shoalPolicy({
      ...options,
      budgetUsd,
      onPlan: ({ launch }, world, priceUsd) => plans.push({ launch, leftUsd: budgetUsd - world.spentUsd(), priceUsd }),
    });

    const { mostMachines } = simulate(workload, policy, rent, settings);

    expect(mostMachines).toBeLessThan(7);
    for (const { launch, leftUsd, priceUsd } of plans.filter((plan) => plan.launch > 0)) {
      // Each is launched for up to a drain target of work, a boot and an idle end.
      const leastSeconds = fleet.idleSeconds + 1;
      expect((launch * priceUsd * leastSeconds) / 3_600).toBeLessThanOrEqual(leftUsd);
    }
  });
});

describe('a trace of the user’s own', () => {
  it('is read by its column names, in any order', () => {
    const { tasks } = workloadOfCsv('own', 'job_id,arrival_seconds,duration_seconds\nb,20,1.5\na,10,2\n');

    expect(tasks).toEqual([
      { arrivalSeconds: 10, durationSeconds: 2, jobId: 'a' },
      { arrivalSeconds: 20, durationSeconds: 1.5, jobId: 'b' },
    ]);
  });

  it.each([
    ['job_id,arrival_seconds\na,1', /no column duration_seconds/],
    ['arrival_seconds,duration_seconds,job_id\n1,fast,a', /line 2: "1,fast,a" has no number/],
    ['arrival_seconds,duration_seconds,job_id\n-1,1,a', /line 2/],
  ])('is refused with the place of its fault: %j', (text, fault) => {
    expect(() => workloadOfCsv('own', text)).toThrow(fault);
  });

  it('has a name for each of those made up', () => {
    expect(() => workloadOf('lunar', 1)).toThrow(WORKLOAD_NAMES.join(', '));
  });
});
