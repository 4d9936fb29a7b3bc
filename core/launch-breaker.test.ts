import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { at } from '../test/factories/manual-clock.ts';
import type { FleetTrouble } from './fleet-trouble.ts';
import { launchAllowance, NO_BOOTS } from './launch-breaker.ts';

const failed = (failedInARow: number) => ({
  failedInARow,
  lastFailure: { instanceId: 'i-1', reason: 'no space left on device', at: at(0) },
});
const allowed = (failures: number, seconds: number, booting = 0) =>
  launchAllowance(failed(failures), null, booting, new Date(at(seconds)));

describe('a fleet whose machines do not boot', () => {
  it('launches as it likes until the third one in a row (lesson 23)', () => {
    expect(launchAllowance(NO_BOOTS, null, 5, new Date(at(0)))).toMatchObject({ state: 'closed', reason: null });
    expect(allowed(2, 0).machines).toBe(Number.POSITIVE_INFINITY);
  });

  it('then launches nothing for five minutes, and says what the last one said', () => {
    const { state, machines, reason } = allowed(3, 299);

    expect([state, machines]).toEqual(['open', 0]);
    expect(reason).toBe(
      `nothing is launched until ${at(300)}: 3 machines in a row did not boot; the last one: no space left on device`,
    );
  });

  it('then tries one machine, and no other while that boots', () => {
    expect(allowed(3, 300)).toMatchObject({ state: 'half-open', machines: 1 });
    expect(allowed(3, 300, 1)).toMatchObject({ state: 'half-open', machines: 0 });
  });

  it('waits twice as long after each further one, an hour at most', () => {
    const pauses = [3, 4, 5, 6, 7, 8, 40].map((failures) => {
      let seconds = 0;
      while (allowed(failures, seconds).state === 'open') seconds += 60;
      return seconds;
    });

    expect(pauses).toEqual([300, 600, 1_200, 2_400, 3_600, 3_600, 3_600]);
  });

  it('launches one at a time while its machines are taken back before they are ready, and stops for no pause', () => {
    const reason = 'its machines are taken back before they are ready: no capacity';
    const taken = { kind: 'taken', reason, since: at(0), seenAt: at(60) } as const;
    const allowed = (booting: number, seconds: number, kind: FleetTrouble['kind'] = 'taken') =>
      launchAllowance(NO_BOOTS, { ...taken, kind }, booting, new Date(at(seconds)));

    expect(allowed(0, 61)).toEqual({
      state: 'closed',
      machines: 1,
      reason: `one machine is tried at a time: ${reason}`,
    });
    expect(allowed(1, 61).machines).toBe(0);
    // Nobody has seen it for a quarter of an hour.
    expect(allowed(1, 961).machines).toBe(Number.POSITIVE_INFINITY);
    expect(allowed(1, 61, 'launch').machines).toBe(Number.POSITIVE_INFINITY);
  });

  it('is never allowed a negative number, nor more than one while it is not closed', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(10_000), fc.nat(50), (failures, seconds, booting) => {
        const { state, machines } = allowed(failures, seconds, booting);
        expect(machines).toBeGreaterThanOrEqual(0);
        if (state !== 'closed') expect(machines).toBeLessThanOrEqual(1);
      }),
    );
  });
});
