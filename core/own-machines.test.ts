import { describe, expect, it } from 'vitest';
import { instanceFactory } from '../test/factories/instance.ts';
import { at } from '../test/factories/manual-clock.ts';
import { goneOwnMachines, sightingOfOwn } from './own-machines.ts';

const machine = (instanceId: string, overrides: Parameters<typeof instanceFactory>[0] = {}) =>
  instanceFactory({ instanceId, provider: 'unknown', state: 'READY', expiresAt: at(3_600), ...overrides });

describe('a machine of somebody’s own', () => {
  it('is there as long as its life may last, and a while for its last words', () => {
    expect(goneOwnMachines([machine('a')], new Date(at(3_900)))).toEqual([]);
  });

  it('is gone when its life is over and nothing was heard', () => {
    const machines = [
      machine('silent'),
      machine('leaving', { state: 'DRAINING', stateReason: 'lifetime' }),
      machine('younger', { expiresAt: at(9_000) }),
      machine('ended', { state: 'TERMINATED' }),
    ];

    const [silent, leaving] = machines;
    expect(goneOwnMachines(machines, new Date(at(3_901)))).toEqual([
      {
        row: silent,
        state: 'INTERRUPTED',
        reason: 'its lifetime is over, and it left without a goodbye',
        mark: { instanceId: 'silent', since: at(3_900) },
      },
      { row: leaving, state: 'TERMINATED', reason: 'lifetime', mark: { instanceId: 'leaving', since: at(3_900) } },
    ]);
  });
});

describe('a fleet of somebody’s own machines', () => {
  it('is in trouble only while work waits and nobody has joined', () => {
    expect(sightingOfOwn([], true)).toEqual({ kind: 'launch', reason: 'none of your own machines has joined it' });
    expect(sightingOfOwn([], false)).toEqual({ kind: 'unclear' });
    expect(sightingOfOwn([machine('a', { state: 'DRAINING' })], true)).toEqual({ kind: 'unclear' });
    expect(sightingOfOwn([machine('a')], true)).toEqual({ kind: 'well' });
    expect(sightingOfOwn([machine('a', { state: 'TERMINATED' })], true)).toMatchObject({ kind: 'launch' });
  });
});
