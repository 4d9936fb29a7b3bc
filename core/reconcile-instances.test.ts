import { describe, expect, it } from 'vitest';
import { instanceFactory, launchIntentFactory } from '../test/factories/instance.ts';
import { at, START } from '../test/factories/manual-clock.ts';
import type { Instance } from './instance.ts';
import {
  heardOut,
  isTakenBackInBoot,
  type ObservedInstance,
  reconcileInstances,
  sweepUnknown,
} from './reconcile-instances.ts';

const observed = (overrides: Partial<ObservedInstance> = {}): ObservedInstance => ({
  instanceId: 'i-1',
  fleet: 'default',
  intentId: 'intent-1',
  running: true,
  launchedAt: START,
  ...overrides,
});
const reconcile = (rows: Instance[], seen: ObservedInstance[], seconds = 600, isSpot = true) =>
  reconcileInstances(rows, seen, { intents: [launchIntentFactory()] }, new Date(at(seconds)), {
    graceSeconds: 60,
    isSpot,
  });

describe('reconciliation', () => {
  it('changes nothing when rows and provider agree', () => {
    const nothing = { adopt: [], gone: [], unknown: [] };

    expect(reconcile([instanceFactory({ state: 'READY' })], [observed()])).toEqual(nothing);
    expect(reconcile([instanceFactory({ state: 'TERMINATED' })], [observed({ running: false })])).toEqual(nothing);
    expect(reconcile([], [])).toEqual(nothing);
  });

  it('adopts a machine of one of our intents that has no row (lesson 25)', () => {
    expect(reconcile([], [observed()]).adopt).toEqual([observed()]);
  });

  it.each([
    ['of an intent that is not ours', 'intent-other'],
    ['without an intent', null],
  ])('reports a machine %s as unknown', (_what, intentId) => {
    const { adopt, unknown } = reconcile([], [observed({ intentId })]);

    expect(adopt).toEqual([]);
    expect(unknown).toEqual([observed({ intentId })]);
  });

  it('neither adopts nor reports what has ended already', () => {
    const { adopt, unknown } = reconcile(
      [],
      [observed({ running: false }), observed({ intentId: null, running: false })],
    );

    expect([...adopt, ...unknown]).toEqual([]);
  });

  it.each([
    ['REQUESTED', 'FAILED'],
    ['BOOTING', 'FAILED'],
    ['READY', 'INTERRUPTED'],
    ['DRAINING', 'TERMINATED'],
  ] as const)('takes a machine that is gone from %s for %s', (state, ended) => {
    const result = reconcile([instanceFactory({ state })], []);

    expect(result.gone).toMatchObject([{ row: { instanceId: 'i-1' }, state: ended, mark: { since: at(600) } }]);
  });

  it('keeps the reason of a machine that said goodbye', () => {
    const row = instanceFactory({ state: 'DRAINING', stateReason: 'idle for 60 s' });

    expect(reconcile([row], []).gone[0]?.reason).toBe('idle for 60 s');
  });

  it('waits for a young machine that is not listed yet: EC2 is eventually consistent', () => {
    expect(reconcile([instanceFactory()], [], 59).gone).toEqual([]);
    expect(reconcile([instanceFactory()], [], 60).gone).toHaveLength(1);
  });

  it('believes the provider at once when it says that a machine, however young, has ended', () => {
    expect(reconcile([instanceFactory()], [observed({ running: false })], 1).gone).toHaveLength(1);
  });
});

describe('a machine that the provider took back', () => {
  it('while it booted was interrupted: its boot did not fail', () => {
    const row = instanceFactory({ state: 'BOOTING' });
    const gone = observed({ running: false, interrupted: true, endReason: 'Server.SpotInstanceTermination' });

    expect(reconcile([row], [gone]).gone).toMatchObject([
      { state: 'INTERRUPTED', reason: 'Server.SpotInstanceTermination' },
    ]);
  });

  it('while it drained was interrupted too, for the reason that it gave', () => {
    const row = instanceFactory({ state: 'DRAINING', stateReason: 'spot interruption' });
    const gone = observed({ running: false, interrupted: true, endReason: 'Server.SpotInstanceTermination' });

    expect(reconcile([row], [gone]).gone).toMatchObject([{ state: 'INTERRUPTED', reason: 'spot interruption' }]);
  });
});

describe('a machine that is gone before it was ready', () => {
  const row = instanceFactory({ state: 'BOOTING', readyDeadlineAt: at(300) });
  const ended = (interrupted?: boolean) =>
    observed({ running: false, ...(interrupted === undefined ? {} : { interrupted }) });

  it.each([
    ['its provider says that it took it back', [ended(true)], 200, true, 'INTERRUPTED'],
    ['its provider says that nobody took it back', [ended(false)], 200, true, 'FAILED'],
    ['nobody says why a spot machine is gone', [], 200, true, 'INTERRUPTED'],
    ['nobody says why a spot machine has ended', [ended()], 200, true, 'INTERRUPTED'],
    ['its time was up: what cannot boot lasts so long', [], 300, true, 'FAILED'],
    ['it is none that can be taken back', [], 200, false, 'FAILED'],
  ] as const)('where %s', (_why, seen, seconds, isSpot, state) => {
    expect(reconcile([row], [...seen], seconds, isSpot).gone).toMatchObject([{ state }]);
  });

  it('is told by what its provider said once, though it says nothing of it any more', () => {
    const [seen] = reconcile(
      [row],
      [observed({ running: false, interrupted: false, endReason: 'it is stopped' })],
      200,
    ).gone;
    const again = (observed: ObservedInstance[]) =>
      reconcileInstances([row], observed, { intents: [], suspects: seen ? [seen.mark] : [] }, new Date(at(260)), {
        graceSeconds: 60,
        isSpot: true,
      }).gone;

    const mark = { instanceId: 'i-1', since: at(200), interrupted: false, endReason: 'it is stopped' };
    for (const listed of [[], [ended()]]) {
      expect(again(listed)).toEqual([{ row, state: 'FAILED', reason: 'it is stopped', mark }]);
    }
  });

  it('is taken back as far as can be known, and that is said', () => {
    const reason = 'the machine is gone without a goodbye, before it was ready: most likely it was taken back';

    expect(reconcile([row], [], 200).gone.map((each) => [isTakenBackInBoot(each), each.reason])).toEqual([
      [true, reason],
    ]);
    expect(reconcile([instanceFactory({ state: 'READY' })], [], 200).gone.map(isTakenBackInBoot)).toEqual([false]);
  });
});

describe('the last words of a machine that is gone', () => {
  const lost = (since: string) =>
    reconcileInstances(
      [instanceFactory({ state: 'READY' })],
      [],
      { intents: [], suspects: [{ instanceId: 'i-1', since }] },
      new Date(at(600)),
      { graceSeconds: 60, isSpot: true },
    ).gone;
  const heard = (reportsUntil: number | null, seconds: number): number =>
    heardOut(lost(at(400)), reportsUntil === null ? null : new Date(at(reportsUntil)), new Date(at(seconds))).length;

  it('are waited for from when it was first seen to be gone, which is when it ended as far as anybody knows', () => {
    expect(lost(at(400))).toMatchObject([{ mark: { since: at(400) } }]);
  });

  it('are heard once every report of before then is read', () => {
    expect([heard(399, 600), heard(400, 600)]).toEqual([0, 1]);
  });

  it('are waited for half an hour where nobody knows how far reports are read, or nobody reads on', () => {
    expect([heard(null, 2_199), heard(null, 2_200)]).toEqual([0, 1]);
    expect([heard(300, 2_199), heard(300, 2_200)]).toEqual([0, 1]);
  });
});

describe('machines that no row knows', () => {
  const sweep = (unknown: string[], suspects: { instanceId: string; since: string }[], seconds: number) =>
    sweepUnknown(
      unknown.map((instanceId) => observed({ instanceId })),
      suspects,
      new Date(at(seconds)),
      60,
    );

  it('are marked in one pass and ended in another, a while later (lesson 24)', () => {
    const first = sweep(['i-1'], [], 0);
    const early = sweep(['i-1'], [...first.suspects], 59);
    const second = sweep(['i-1'], [...early.suspects], 60);

    expect(first).toEqual({ end: [], suspects: [{ instanceId: 'i-1', since: at(0) }] });
    expect(early.end).toEqual([]);
    expect(second).toEqual({ end: ['i-1'], suspects: [{ instanceId: 'i-1', since: at(0) }] });
  });

  it('are suspects no more once a row knows them, and start anew if they vanish from it', () => {
    const known = sweep([], [{ instanceId: 'i-1', since: at(0) }], 120);

    expect(known).toEqual({ end: [], suspects: [] });
    expect(sweep(['i-1'], [...known.suspects], 180).end).toEqual([]);
  });
});
