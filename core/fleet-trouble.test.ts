import { describe, expect, it } from 'vitest';
import { at } from '../test/factories/manual-clock.ts';
import { type FleetTrouble, type Sighting, troubleAfter, whyAvoid, whyLeave } from './fleet-trouble.ts';

const when = (seconds: number): Date => new Date(at(seconds));
const seen = (kind: FleetTrouble['kind']): Sighting => ({ kind, reason: 'no route to host' });

/** What is known after a look every minute. */
function looks(kinds: readonly Sighting[], from = 0): FleetTrouble | null {
  let trouble: FleetTrouble | null = null;
  for (const [minute, sighting] of kinds.entries()) trouble = troubleAfter(trouble, sighting, when(from + minute * 60));
  return trouble;
}
const minutes = (count: number, kind: FleetTrouble['kind']): Sighting[] =>
  Array.from({ length: count }, () => seen(kind));

describe('trouble of a fleet', () => {
  it('keeps its beginning for as long as it lasts, whichever kind it turns into', () => {
    expect(looks([seen('cloud'), seen('launch'), { kind: 'unclear' }, seen('cloud')])).toEqual({
      kind: 'cloud',
      reason: 'no route to host',
      since: at(0),
      seenAt: at(180),
    });
  });

  it('is over when the fleet is seen to be well', () => {
    expect(looks([seen('cloud'), { kind: 'well' }])).toBeNull();
    expect(looks([seen('cloud'), { kind: 'well' }, seen('cloud')])?.since).toBe(at(120));
  });

  it('is forgotten when nobody has seen it for a while', () => {
    const trouble = looks([seen('launch')]);

    expect(whyAvoid(trouble, when(900))).toBe('no route to host');
    expect(whyAvoid(trouble, when(901))).toBeNull();
    expect(troubleAfter(trouble, seen('launch'), when(901))?.since).toBe(at(901));
  });
});

describe('a fleet is left', () => {
  it.each([
    ['at once when its machines do not boot', 'boot', 1],
    ['after five minutes when its cloud does not answer', 'cloud', 6],
    ['after ten minutes when it has no machines to give', 'launch', 11],
    ['after ten minutes when its machines are taken back before they are ready', 'taken', 11],
  ] as const)('%s', (_when, kind, needed) => {
    const last = (count: number): Date => when((count - 1) * 60);

    expect(whyLeave(looks(minutes(needed, kind)), last(needed))).toContain('no route to host');
    if (needed > 1) expect(whyLeave(looks(minutes(needed - 1, kind)), last(needed - 1))).toBeNull();
  });

  it('only for what was seen lately', () => {
    const trouble = looks(minutes(30, 'cloud'));

    expect(whyLeave(trouble, when(29 * 60 + 180))).not.toBeNull();
    expect(whyLeave(trouble, when(29 * 60 + 181))).toBeNull();
    expect(whyLeave(null, when(0))).toBeNull();
  });
});
