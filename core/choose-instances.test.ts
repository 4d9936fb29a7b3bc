import { describe, expect, it } from 'vitest';
import { offerFactory } from '../test/factories/offer.ts';
import { chooseInstances, type MachineRequirements, type MarketKnowledge, type Workload } from './choose-instances.ts';
import { fleetSchema } from './fleet.ts';
import { type Offer, poolOf } from './offer.ts';

const needs = (overrides: Partial<MachineRequirements> = {}): MachineRequirements => ({
  ...fleetSchema.parse({ provider: 'aws' }),
  ...overrides,
});
const workload: Workload = {
  slotsWanted: 160,
  secondsPerTask: 60,
  workSeconds: 900,
  bootSeconds: 60,
  idleSeconds: 60,
};
const choose = (
  offers: readonly Offer[],
  overrides: Partial<MachineRequirements> = {},
  over: Partial<Workload> = {},
  knowledge?: MarketKnowledge,
) => chooseInstances(needs(overrides), { ...workload, ...over }, offers, knowledge);
const types = (offers: readonly { offer: Offer }[]): string[] => offers.map(({ offer }) => offer.instanceType);

const medium = offerFactory();
const large = offerFactory({ instanceType: 'c7g.large', vcpus: 2, memoryMiB: 4_096, hourlyPriceUsd: 0.02 });
const wide = offerFactory({ instanceType: 'c7g.4xlarge', vcpus: 16, memoryMiB: 32_768, hourlyPriceUsd: 0.15 });

describe('the best machine', () => {
  it('is the one that finishes a task for the least money, not the one with the lowest price', () => {
    const { choices } = choose([medium, large, wide]);

    expect(types(choices)).toEqual(['c7g.4xlarge', 'c7g.large', 'c7g.medium']);
    expect(choices.map(({ slots }) => slots)).toEqual([16, 2, 1]);
    expect(choices[0]?.usdPerTask).toBeLessThan(choices[1]?.usdPerTask ?? 0);
  });

  it('is a small one where there is little to do: a slot that nobody fills costs as much as a busy one', () => {
    expect(types(choose([medium, large, wide], {}, { slotsWanted: 1 }).choices)[0]).toBe('c7g.medium');
    expect(types(choose([medium, large, wide], {}, { slotsWanted: 2 }).choices)[0]).toBe('c7g.large');
  });

  it('is one that is lost seldom, when the work lost costs more than the price saves', () => {
    const steady = offerFactory({ instanceType: 'm7g.medium', hourlyPriceUsd: 0.014, interruptionsPerHour: 0 });
    const shaky = offerFactory({ interruptionsPerHour: 1 });

    expect(types(choose([steady, shaky], {}, { secondsPerTask: 30 }).choices)[0]).toBe('c7g.medium');
    expect(types(choose([steady, shaky], {}, { secondsPerTask: 3_600 }).choices)[0]).toBe('m7g.medium');
  });

  it('costs more a task the longer it boots', () => {
    const [quick] = choose([medium], {}, { bootSeconds: 10 }).choices;
    const [slow] = choose([medium], {}, { bootSeconds: 300 }).choices;

    expect(slow?.usdPerTask).toBeGreaterThan((quick?.usdPerTask ?? 0) * 1.25);
  });

  it('pays for the disk of its slots', () => {
    const [choice] = choose([wide], { slot: { vcpu: 1, memoryMiB: 1_024, diskGiB: 50 }, maxHourlyPriceUsd: 1 }).choices;

    expect(choice).toMatchObject({ slots: 16, diskGiB: 808 });
    expect(choice?.hourlyPriceUsd).toBeCloseTo(0.15 + (800 * 0.08) / 730, 6);
  });

  it('may be an on-demand one, if the fleet falls back and spot is sold out or no cheaper', () => {
    const onDemand = offerFactory({ market: 'on-demand', hourlyPriceUsd: 0.041, interruptionsPerHour: 0 });
    const both = { market: 'spot-then-on-demand' } as const;
    const soldOut = new Set([poolOf(medium)]);

    expect(choose([medium, onDemand], both).choices.map(({ offer }) => offer.market)).toEqual(['spot', 'on-demand']);
    expect(choose([medium, onDemand], both, {}, { soldOut }).choices[0]?.offer.market).toBe('on-demand');
    expect(choose([{ ...medium, hourlyPriceUsd: 0.041 }, onDemand], both).choices[0]?.offer.market).toBe('on-demand');
  });

  it('is the one that the provider thinks likelier to be had, among equals', () => {
    const scored = offerFactory({ zone: 'us-east-1b', capacityScore: 9 });

    expect(choose([medium, scored]).choices[0]?.offer.zone).toBe('us-east-1b');
  });
});

describe('every offer', () => {
  const gpus = { count: 1, model: 'T4' };

  it.each<[string, Offer, Partial<MachineRequirements>, string]>([
    ['another provider', offerFactory({ provider: 'gcp' }), {}, 'it is of gcp'],
    ['architecture', medium, { architectures: ['x86_64'] }, 'its architecture is arm64, not x86_64'],
    ['market', medium, { market: 'on-demand' }, 'it is spot, the fleet takes on-demand only'],
    ['allowed types', medium, { allowedTypes: ['m7g.*', 'c7g.large'] }, 'it is not among the allowed types'],
    ['vCPU', medium, { slot: { vcpu: 2, memoryMiB: 512, diskGiB: 1 } }, '1 vCPU is too few for one slot'],
    [
      'memory: the system keeps some',
      medium,
      { slot: { vcpu: 1, memoryMiB: 2_048, diskGiB: 1 } },
      '1792 MiB of free memory are too few for one slot',
    ],
    ['price', wide, { maxHourlyPriceUsd: 0.1 }, '$0.16 an hour is above the limit of $0.10'],
    ['no GPU', medium, { gpu: { count: 1, models: [] } }, 'it has 0 GPUs, a slot needs 1'],
    ['the GPU', offerFactory({ gpus }), { gpu: { count: 1, models: ['A10G'] } }, 'its GPU is T4, not A10G'],
    ['a GPU too many', offerFactory({ gpus }), {}, 'it has GPUs, which nobody asked for'],
  ])('that does not fit is refused with the reason: %s', (_what, offer, requirements, reason) => {
    expect(choose([offer], requirements)).toEqual({ choices: [], refused: [{ offer, reason }] });
  });

  it('that was sold out a moment ago is passed over, for its zone alone (lesson 20)', () => {
    const elsewhere = offerFactory({ zone: 'us-east-1b' });

    const { choices, refused } = choose([medium, elsewhere], {}, {}, { soldOut: new Set([poolOf(medium)]) });

    expect(choices.map(({ offer }) => offer.zone)).toEqual(['us-east-1b']);
    expect(refused.map(({ reason }) => reason)).toEqual(['it was sold out a moment ago']);
  });

  it('tells why it won, or by how much it lost', () => {
    const reasons = choose([medium, large]).choices.map(({ reason }) => reason);

    expect(reasons[0]).toMatch(
      /^c7g\.large \(spot, us-east-1a\) finishes a task for \$0\.000\d+: \$0\.021 an hour for 2/,
    );
    expect(reasons[1]).toMatch(/^16 % more a task than c7g\.large/);
  });
});
