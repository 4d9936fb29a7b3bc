/** Every policy over one workload and seed, and what the same would have cost somebody who knew everything before. */
import { CatalogueOfferSource } from '../../adapters/catalogue/catalogue-offer-source.ts';
import { type Choice, chooseInstances } from '../../core/choose-instances.ts';
import { type Fleet, fleetSchema } from '../../core/fleet.ts';
import { poolOf } from '../../core/offer.ts';
import { type LowerBounds, lowerBounds } from './lower-bound.ts';
import { depthThreshold, fixedFleet, machinePerTask, targetTracking } from './policies.ts';
import { shoalPolicy } from './shoal-policy.ts';
import { type Outcome, type Policy, type Rent, simulate, taskSeconds } from './simulate.ts';
import { CLOUD, type Pool, poolsOf } from './virtual-cloud.ts';
import type { Workload } from './workloads.ts';

const HOUR = 3_600;

export interface Comparison {
  readonly workload: string;
  readonly seed: number;
  readonly outcomes: readonly Outcome[];
  readonly bounds: LowerBounds;
}

/** The fleet that is simulated: the defaults of `fleets.yml`, with room for a hundred machines. */
export const simulatedFleet = (overrides: Partial<Fleet> = {}): Fleet => ({
  name: 'default',
  ...fleetSchema.parse({ provider: 'aws', maxInstances: 100 }),
  ...overrides,
});

/** What can be rented, and what is remembered of what was sold out. */
export function rentOf(pools: readonly Pool[], fleet: Fleet, secondsPerTask: number): Rent {
  const byName = new Map(pools.map((pool) => [pool.name, pool]));
  const workload = { secondsPerTask, workSeconds: fleet.drainTargetSeconds, idleSeconds: fleet.idleSeconds };
  const rank = (at: number, slotsWanted: number): readonly Choice[] =>
    chooseInstances(
      fleet,
      { ...workload, slotsWanted, bootSeconds: CLOUD.bootMedianSeconds },
      pools.map((pool) => ({ ...pool.offer, hourlyPriceUsd: pool.hourlyPriceUsd(at) })),
    ).choices;
  const ranked = new Map<string, readonly Choice[]>();
  return {
    maxInstances: fleet.maxInstances,
    // Whatever its price: it may have been below the fleet's limit at another time.
    slotsOf: new Map(
      chooseInstances(
        { ...fleet, maxHourlyPriceUsd: Number.POSITIVE_INFINITY },
        { ...workload, slotsWanted: 1, bootSeconds: CLOUD.bootMedianSeconds },
        pools.map(({ offer }) => offer),
      ).choices.map((choice) => [choice.offer.instanceType, choice.slots]),
    ),
    // Prices change by the hour, and a ranking hardly by one slot more or less: it is made once for each power of two.
    choose: (at, slotsWanted) => {
      const slots = 2 ** Math.ceil(Math.log2(Math.max(1, slotsWanted)));
      const key = `${Math.floor(at / HOUR)}/${slots}`;
      const known = ranked.get(key) ?? rank(at, slots);
      if (ranked.size > 100) ranked.clear();
      ranked.set(key, known);
      return known;
    },
    poolOf: (choice) => {
      const pool = byName.get(poolOf(choice.offer));
      if (!pool) throw new Error(`there is no pool ${poolOf(choice.offer)}`);
      return pool;
    },
  };
}

export async function compare(workload: Workload, seed: number, fleet = simulatedFleet()): Promise<Comparison> {
  const { offers } = await new CatalogueOfferSource().list();
  const spot = chooseInstances(
    fleet,
    { slotsWanted: 1_000, secondsPerTask: 60, workSeconds: 900, bootSeconds: 45, idleSeconds: 60 },
    offers,
  ).choices.map(({ offer }) => offer);
  const durations = workload.tasks.map(taskSeconds);
  const work = durations.reduce((sum, seconds) => sum + seconds, 0);
  const mean = work / Math.max(1, durations.length);
  const longest = durations.reduce((most, seconds) => Math.max(most, seconds), 0);
  const span = Math.max(HOUR, (workload.tasks.at(-1)?.arrivalSeconds ?? 0) - (workload.tasks[0]?.arrivalSeconds ?? 0));
  const timeoutSeconds = Math.min(11 * HOUR, Math.ceil(longest * 1.5) + 1);
  const settings = { seed, timeoutSeconds, maxLifetimeSeconds: fleet.maxLifetimeHours * HOUR };
  const policies: Policy[] = [
    shoalPolicy({ fleet, timeoutSeconds, bootSeconds: 60, unknownSecondsPerTask: 60 }),
    targetTracking(Math.max(1, Math.round(fleet.drainTargetSeconds / mean))),
    depthThreshold(),
    fixedFleet(Math.max(1, Math.ceil((work / span) * 1.25))),
    machinePerTask(),
  ];
  const pools = poolsOf(spot, seed);
  const rent = rentOf(pools, fleet, mean);
  const outcomes = policies.map((policy) => simulate(workload, policy, rent, settings));
  const tracking = outcomes.find(({ policy }) => policy === 'target tracking');
  return {
    workload: workload.name,
    seed,
    outcomes,
    bounds: lowerBounds(workload, {
      pools: pools.map((pool) => ({ pool, slots: rent.slotsOf.get(pool.offer.instanceType) ?? 1 })),
      lastSeconds: Math.max(...outcomes.map((outcome) => outcome.makespanSeconds)),
      finishOf: tracking?.finishOf ?? new Map(),
    }),
  };
}
