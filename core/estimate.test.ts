import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { at, START } from '../test/factories/manual-clock.ts';
import { offerFactory } from '../test/factories/offer.ts';
import { type EstimatedWork, estimateJob, secondsRange } from './estimate.ts';
import { type Fleet, fleetSchema } from './fleet.ts';
import type { Offer } from './offer.ts';

const now = new Date(START);
const fleet = (overrides: Partial<Fleet> = {}): Fleet => ({
  name: 'default',
  ...fleetSchema.parse({ provider: 'aws', maxInstances: 50, idleSeconds: 60 }),
  ...overrides,
});
const exactly = (seconds: number) => ({ low: seconds, likely: seconds, high: seconds, basis: 'told' });
const work = (overrides: Partial<EstimatedWork> = {}): EstimatedWork => ({
  taskCount: 1_000,
  secondsPerTask: exactly(60),
  slotsPerTask: 1,
  maxInstances: null,
  budgetUsd: null,
  deadline: null,
  ...overrides,
});
// A dollar an hour with its disk makes figures that can be followed.
const dollar = offerFactory({ hourlyPriceUsd: 1 - (5 * 0.08) / 730 });
const estimate = (over: Partial<EstimatedWork> = {}, on: Partial<Fleet> = {}, offers: readonly Offer[] = [dollar]) =>
  estimateJob(
    work(over),
    fleet({ maxHourlyPriceUsd: 2, ...on }),
    { offers, observedAt: at(-40 * 86_400), source: 'a price list' },
    now,
    { bootSeconds: 60 },
  );

describe('an estimate', () => {
  it('counts machines, boots and idle ends as the scaler would launch them', () => {
    // 15 tasks of a minute in a quarter of an hour: 67 machines, of which there may be 50, with 20 tasks each.
    const { costUsd, finishAt, machine } = estimate();

    expect(machine).toEqual({
      instanceType: 'c7g.medium',
      market: 'spot',
      slots: 1,
      hourlyPriceUsd: 1,
      count: 50,
    });
    expect(costUsd?.likely).toBeCloseTo((50 * (60 + 1_200 + 60)) / 3_600, 6);
    expect(finishAt?.likely).toBe(at(60 + 1_200));
  });

  it('is a range, as wide as what is known of a task', () => {
    const unknown = estimate({
      secondsPerTask: secondsRange({ measured: null, expectedSeconds: null, timeoutSeconds: 600 }),
    });
    const measured = estimate({
      secondsPerTask: secondsRange({
        measured: { seconds: 60, tasks: 30 },
        expectedSeconds: null,
        timeoutSeconds: 600,
      }),
    });
    const width = ({ costUsd }: typeof unknown): number => (costUsd?.high ?? 0) / (costUsd?.low ?? 1);

    expect(width(measured)).toBeLessThan(2.5);
    expect(width(unknown)).toBeGreaterThan(20);
    expect(unknown.secondsPerTask.basis).toContain('the first tasks will tell');
    expect(measured.secondsPerTask.basis).toBe('measured: 30 tasks of earlier jobs with this command');
  });

  it('says how old its prices are, where they come from, and why this machine', () => {
    const { prices, reasons } = estimate({}, {}, [
      dollar,
      offerFactory({ instanceType: 'm7g.medium', hourlyPriceUsd: 1.5 }),
    ]);

    expect(prices).toEqual({ source: 'a price list', observedAt: at(-40 * 86_400), ageDays: 40 });
    expect(reasons[0]).toMatch(/^c7g\.medium \(spot, us-east-1a\) finishes a task for/);
    expect(reasons[1]).toBe('m7g.medium (spot): 50 % more a task than c7g.medium (spot, us-east-1a)');
  });

  it('has no figures where no machine fits, or no prices are known, and says so', () => {
    const large = estimate({}, { slot: { vcpu: 64, memoryMiB: 1_024, diskGiB: 5 } });
    const elsewhere = estimate({}, { provider: 'gcp' });

    expect(large).toMatchObject({ costUsd: null, finishAt: null, machine: null });
    expect(large.reasons).toEqual(['no machine fits; of 1 it is true: 1 vCPU is too few for one slot']);
    expect(elsewhere.reasons).toEqual(['no prices of gcp are known']);
    expect(estimate({}, { provider: 'external' }).reasons).toEqual([
      'its machines are your own: what they cost is not counted, and how many join is not known',
    ]);
  });

  it('never ends before it begins, never costs less than nothing, and grows with the work', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.double({ min: 0.01, max: 30_000, noNaN: true }),
        fc.constantFrom(0.5, 1, 1),
        (taskCount, seconds, slotsPerTask) => {
          const small = estimate({ taskCount, slotsPerTask, secondsPerTask: exactly(seconds) });
          const more = estimate({ taskCount: taskCount * 2, slotsPerTask, secondsPerTask: exactly(seconds) });

          expect(small.costUsd?.low).toBeGreaterThan(0);
          expect(small.costUsd?.high).toBeGreaterThan(small.costUsd?.low ?? Number.POSITIVE_INFINITY);
          expect(more.costUsd?.likely).toBeGreaterThanOrEqual(small.costUsd?.likely ?? Number.POSITIVE_INFINITY);
          expect(small.finishAt?.earliest.localeCompare(START)).toBe(1);
        },
      ),
    );
  });
});

describe('what cannot be had together', () => {
  it('is nothing, as a rule', () => {
    expect(estimate({ budgetUsd: 100, deadline: at(86_400) }).conflicts).toEqual([]);
  });

  it('is a deadline that the bounds do not allow', () => {
    expect(estimate({ deadline: at(600) }).conflicts).toEqual([
      '2026-03-01 12:10 UTC cannot be met: the 50 machines that are allowed have it done about 2026-03-01 12:21 UTC',
    ]);
  });

  it('is a budget that would not do however slowly', () => {
    expect(estimate({ budgetUsd: 5 }).conflicts).toEqual(['$5.00 will not do: it costs about $16.70, however slowly']);
  });

  it('is a budget and a deadline: each with what it asks for', () => {
    expect(estimate({ budgetUsd: 17, deadline: at(1_500) }).conflicts).toEqual([
      '$17.00 and 2026-03-01 12:25 UTC cannot both hold: 2026-03-01 12:25 UTC costs about $18.20; ' +
        '$17.00 has it done about 2026-03-01 13:41 UTC',
    ]);
  });

  it('is a pace beyond the budget', () => {
    expect(estimate({ budgetUsd: 17 }).conflicts).toEqual([
      '$17.00 will not do at this pace, which costs about $18.33; $17.00 has it done about 2026-03-01 13:41 UTC',
    ]);
  });
});
