import { describe, expect, it } from 'vitest';
import type { MachineShape } from '../../core/choose-instances.ts';
import { type Fleet, fleetSchema } from '../../core/fleet.ts';
import { quotaFindings } from './quota-findings.ts';

const machine = (instanceType: string, vcpus: number): MachineShape => ({
  instanceType,
  architecture: 'arm64',
  vcpus,
  memoryMiB: vcpus * 4_096,
  gpus: null,
});

const MACHINES = [machine('small-1', 1), machine('small-2', 2), machine('large-4', 4)];

const fleet = (name: string, over: object = {}): Fleet => ({
  name,
  ...fleetSchema.parse({ provider: 'aws', ...over }),
});

/** Quotas go by what comes before the dash. */
async function look(fleets: readonly Fleet[], limits: Readonly<Record<string, number>>) {
  const asked: string[] = [];
  const findings = await quotaFindings({
    cloud: 'EC2',
    fleets,
    machines: MACHINES,
    quotaOf: (instanceType, market) => `${market} ${instanceType.split('-')[0]}`,
    read: async (quota) => {
      asked.push(quota);
      const vcpus = limits[quota];
      return vcpus === undefined ? undefined : { name: quota, vcpus };
    },
    raise: (quota, vcpus) => `ask for ${vcpus} of ${quota}`,
  });
  return { findings, asked };
}

describe('a fleet and its quotas', () => {
  it('have room for all machines, and it is said how that was reckoned', async () => {
    const { findings, asked } = await look([fleet('a')], { 'spot small': 32 });

    expect(findings).toEqual([
      {
        what: 'EC2: spot quota of a',
        status: 'ok',
        message:
          'room for all 10 machines: 32 vCPUs of spot small, 1 for the smallest machine that holds a slot (small-1)',
      },
    ]);
    expect(asked).toEqual(['spot small']);
  });

  it('have room for some, by all quotas that its machines count against', async () => {
    const { findings } = await look([fleet('a')], { 'spot small': 5, 'spot large': 9 });

    expect(findings).toMatchObject([
      {
        status: 'warned',
        message: expect.stringMatching(/^this fleet can have 7 of its 10 machines at a time: 5 vCPUs .*; 9 vCPUs /),
        mend: 'ask for 10 of spot small',
      },
    ]);
  });

  it('have room for none: that is a fault', async () => {
    const { findings } = await look([fleet('a', { slot: { vcpu: 3 } })], { 'spot large': 3 });

    expect(findings).toMatchObject([
      {
        status: 'failed',
        message: expect.stringMatching(/^this fleet can have none of its 10 machines: 3 vCPUs of spot large, 4 for /),
        mend: 'ask for 40 of spot large',
      },
    ]);
  });

  it('may be too little for all fleets together', async () => {
    const { findings, asked } = await look([fleet('a'), fleet('b', { market: 'on-demand' }), fleet('c')], {
      'spot small': 16,
      'on-demand small': 16,
    });

    expect(findings.map(({ status, mend }) => ({ status, mend }))).toEqual([
      { status: 'warned', mend: 'ask for 20 of spot small' },
      { status: 'ok', mend: undefined },
      { status: 'warned', mend: 'ask for 20 of spot small' },
    ]);
    expect(findings[0]?.message).toMatch(/^all fleets together may need 20 vCPUs at a time/);
    expect(asked).toEqual(['spot small', 'on-demand small']);
  });

  it('are not looked at where nothing is known of them', async () => {
    const { findings } = await look([fleet('a', { allowedTypes: ['huge-*'] }), fleet('b')], {});

    expect(findings.map(({ status, message }) => `${status}: ${message}`)).toEqual([
      'skipped: no machine that is known here holds a slot of this fleet',
      'skipped: the quotas of machines that hold a slot of this fleet are not told',
    ]);
  });
});
