import { describe, expect, it } from 'vitest';
import { NO_BOOTS } from '../../core/launch-breaker.ts';
import type { FleetState, FleetStore } from '../../core/ports.ts';
import { instanceFactory, launchIntentFactory } from '../factories/instance.ts';
import { at, START } from '../factories/manual-clock.ts';

const FLEET = 'default';
const empty: FleetState = { intents: [], lastPlan: null, version: 0 };
const next = (intentId: string): Omit<FleetState, 'version'> => ({
  intents: [launchIntentFactory({ intentId })],
  suspects: [{ instanceId: 'i-8', since: START, endReason: 'it is stopped', interrupted: false }],
  stockOuts: [{ pool: 'c7g.large/us-east-1a/spot', until: START }],
  trouble: { kind: 'launch', reason: 'sold out', since: START, seenAt: START },
  lastPlan: {
    at: START,
    wanted: 1,
    launch: 1,
    terminate: [{ instanceId: 'i-9', reason: 'too old' }],
    reasons: ['why'],
  },
});
const report = (state: 'READY' | 'FAILED' | 'TERMINATED' | 'INTERRUPTED', reason: string | null, seconds: number) => ({
  state,
  reason,
  at: at(seconds),
});
const idsOf = (instances: readonly { instanceId: string }[]): string[] =>
  instances.map((each) => each.instanceId).sort();

/** @param setup an empty store */
export function describeFleetStoreContract(name: string, setup: () => Promise<FleetStore>): void {
  describe(`FleetStore: ${name}`, () => {
    it('reads an empty state of a fleet that nothing was written of', async () => {
      const store = await setup();

      expect(await store.read(FLEET)).toEqual({ state: empty, instances: [], boots: NO_BOOTS });
    });

    it('sums up what machines cost by the day on which they ended, each once, newest day first', async () => {
      const store = await setup();
      const machines = ['i-1', 'i-2', 'i-3'].map((instanceId) =>
        instanceFactory({ instanceId, requestedAt: START, hourlyPriceUsd: 0.36 }),
      );
      await store.addInstances(machines);
      await store.updateInstance(FLEET, 'i-1', report('TERMINATED', 'idle', 100));
      await store.updateInstance(FLEET, 'i-1', report('INTERRUPTED', 'a late word', 200));
      await store.updateInstance(FLEET, 'i-2', report('INTERRUPTED', null, 50));
      await store.updateInstance(FLEET, 'i-3', report('TERMINATED', 'idle', 86_400));

      expect(await store.listDays(FLEET, 10)).toEqual([
        { day: at(86_400).slice(0, 10), machines: 1, machineSeconds: 86_400, costUsd: 8.64 },
        { day: START.slice(0, 10), machines: 2, machineSeconds: 150, costUsd: 0.015 },
      ]);
      expect(await store.listDays(FLEET, 1)).toHaveLength(1);
      expect(await store.listDays('another', 10)).toEqual([]);
    });

    it('counts the boots that failed in a row, keeps what the last one said, and starts anew with one that succeeds', async () => {
      const store = await setup();
      const ids = ['i-1', 'i-2', 'i-3', 'i-4', 'i-5'];
      await store.addInstances(ids.map((instanceId) => instanceFactory({ instanceId })));

      await store.updateInstance(FLEET, 'i-1', report('FAILED', 'no disk', 10));
      await store.updateInstance(FLEET, 'i-1', report('FAILED', 'said again', 11));
      await store.updateInstance(FLEET, 'i-2', report('FAILED', 'no network', 20));
      const failing = (await store.read(FLEET)).boots;
      await store.updateInstance(FLEET, 'i-3', report('TERMINATED', null, 30));
      await store.updateInstance(FLEET, 'i-4', report('INTERRUPTED', null, 40));
      const others = (await store.read(FLEET)).boots;
      await store.updateInstance(FLEET, 'i-5', report('READY', null, 50));
      await store.updateInstance(FLEET, 'i-5', report('FAILED', 'much later', 60));
      const { boots } = await store.read(FLEET);

      const lastFailure = { instanceId: 'i-2', reason: 'no network', at: at(20) };
      expect(failing).toEqual({ failedInARow: 2, lastFailure });
      expect(others).toEqual(failing);
      expect(boots).toEqual({ failedInARow: 0, lastFailure });
    });

    it('starts anew with a boot of a machine whose launch is not recorded yet, too', async () => {
      const store = await setup();
      await store.addInstances([instanceFactory()]);
      await store.updateInstance(FLEET, 'i-1', report('FAILED', 'no disk', 10));

      await store.updateInstance(FLEET, 'i-2', report('READY', null, 20));

      expect((await store.read(FLEET)).boots.failedInARow).toBe(0);
    });

    describe('writeState', () => {
      it('writes what was given, under a version that grows', async () => {
        const store = await setup();

        expect(await store.writeState(FLEET, next('intent-1'), 0)).toBe(true);
        const first = (await store.read(FLEET)).state;
        expect(await store.writeState(FLEET, next('intent-2'), first.version)).toBe(true);
        const second = (await store.read(FLEET)).state;

        expect(first).toEqual({ ...next('intent-1'), version: first.version });
        expect(second).toEqual({ ...next('intent-2'), version: second.version });
        expect(second.version).toBeGreaterThan(first.version);
      });

      it('is refused when somebody wrote since the state was read', async () => {
        const store = await setup();
        await store.writeState(FLEET, next('intent-1'), 0);

        expect(await store.writeState(FLEET, next('intent-2'), 0)).toBe(false);
        expect(await store.writeState(FLEET, next('intent-2'), 7)).toBe(false);
        expect((await store.read(FLEET)).state.intents).toEqual(next('intent-1').intents);
      });

      it('lets exactly one of several overlapping scalers win (lesson 25)', async () => {
        const store = await setup();

        const written = await Promise.all(
          Array.from({ length: 6 }, (_, n) => store.writeState(FLEET, next(`intent-${n}`), 0)),
        );

        expect(written.filter(Boolean)).toHaveLength(1);
        const winner = `intent-${written.indexOf(true)}`;
        expect((await store.read(FLEET)).state.intents).toMatchObject([{ intentId: winner }]);
      });

      it('of one fleet leaves another alone', async () => {
        const store = await setup();
        await store.writeState(FLEET, next('intent-1'), 0);

        expect((await store.read('other')).state).toEqual(empty);
        expect(await store.writeState('other', next('intent-2'), 0)).toBe(true);
      });
    });

    describe('instances', () => {
      it('are read as they were recorded, each in its own fleet', async () => {
        const store = await setup();
        const [one, two] = [instanceFactory(), instanceFactory({ instanceId: 'i-2', slots: 4, intentId: null })];

        await store.addInstances([one, two, instanceFactory({ instanceId: 'i-3', fleet: 'other' })]);

        const { instances } = await store.read(FLEET);
        expect(instances.toSorted((a, b) => (a.instanceId < b.instanceId ? -1 : 1))).toEqual([one, two]);
      });

      it('may be recorded twice: what was reported in between stays', async () => {
        const store = await setup();
        await store.addInstances([instanceFactory()]);
        await store.updateInstance(FLEET, 'i-1', { state: 'READY', reason: 'hello', at: at(30) });

        await store.addInstances([instanceFactory()]);

        const ready = instanceFactory({ state: 'READY', stateReason: 'hello', readyAt: at(30) });
        expect((await store.read(FLEET)).instances).toEqual([ready]);
      });

      it('may report before their launch is recorded: the launch fills in the rest', async () => {
        const store = await setup();
        const change = { state: 'READY', reason: null, at: at(30), slots: 2, expiresAt: at(900) } as const;

        await store.updateInstance(FLEET, 'i-1', change);
        const before = (await store.read(FLEET)).instances;
        await store.addInstances([instanceFactory({ slots: 4 })]);
        const after = (await store.read(FLEET)).instances;

        expect(before).toMatchObject([
          {
            instanceId: 'i-1',
            fleet: FLEET,
            state: 'READY',
            intentId: null,
            readyAt: at(30),
            slots: 2,
            expiresAt: at(900),
          },
        ]);
        expect(after).toEqual([instanceFactory({ slots: 4, state: 'READY', readyAt: at(30) })]);
      });

      it('that only ever boot and never were recorded are given time to become ready', async () => {
        const store = await setup();

        await store.updateInstance(FLEET, 'i-1', { state: 'BOOTING', reason: null, at: at(30) });

        const [instance] = (await store.read(FLEET)).instances;
        expect(Date.parse(instance?.readyDeadlineAt ?? '')).toBeGreaterThan(Date.parse(at(30)));
      });

      it('that are not known are not taken in by their end', async () => {
        const store = await setup();

        await store.updateInstance(FLEET, 'i-1', { state: 'TERMINATED', reason: null, at: at(30) });

        expect((await store.read(FLEET)).instances).toEqual([]);
        expect(await store.listEnded(FLEET, 10)).toEqual([]);
      });

      it('only go forward, whatever order their reports come in', async () => {
        const store = await setup();
        await store.addInstances([instanceFactory()]);
        const report = (state: 'BOOTING' | 'READY' | 'DRAINING', seconds: number) =>
          store.updateInstance(FLEET, 'i-1', { state, reason: state, at: at(seconds) });

        await report('READY', 30);
        await report('BOOTING', 10);
        await report('READY', 40);
        await report('DRAINING', 90);
        await report('READY', 50);

        expect((await store.read(FLEET)).instances).toEqual([
          instanceFactory({ state: 'DRAINING', stateReason: 'DRAINING', readyAt: at(30) }),
        ]);
      });

      it.each(['TERMINATED', 'INTERRUPTED', 'FAILED'] as const)(
        'that are %s leave the live list for good',
        async (state) => {
          const store = await setup();
          await store.addInstances([instanceFactory(), instanceFactory({ instanceId: 'i-2' })]);

          await store.updateInstance(FLEET, 'i-1', { state, reason: 'gone', at: at(60) });
          await store.updateInstance(FLEET, 'i-1', { state: 'FAILED', reason: 'late', at: at(90) });
          await store.updateInstance(FLEET, 'i-1', { state: 'TERMINATED', reason: 'late', at: at(91) });

          expect(idsOf((await store.read(FLEET)).instances)).toEqual(['i-2']);
          expect(await store.listEnded(FLEET, 10)).toEqual([
            instanceFactory({ state, stateReason: 'gone', endedAt: at(60) }),
          ]);
        },
      );

      it('that have ended stay so when their launch is recorded late, or they report late', async () => {
        const store = await setup();
        await store.updateInstance(FLEET, 'i-1', { state: 'READY', reason: null, at: at(30) });
        await store.updateInstance(FLEET, 'i-1', { state: 'TERMINATED', reason: 'idle', at: at(60) });

        await store.addInstances([instanceFactory()]);
        await store.updateInstance(FLEET, 'i-1', { state: 'DRAINING', reason: null, at: at(59) });

        expect((await store.read(FLEET)).instances).toEqual([]);
        expect(await store.listEnded(FLEET, 10)).toMatchObject([{ instanceId: 'i-1', state: 'TERMINATED' }]);
      });

      it('are found by their ids, in whichever of the fleets they are, whether they run or have ended', async () => {
        const store = await setup();
        const two = instanceFactory({ instanceId: 'i-2' });
        const other = instanceFactory({ instanceId: 'i-3', fleet: 'other' });
        await store.addInstances([instanceFactory(), two, other]);
        await store.updateInstance(FLEET, 'i-2', { state: 'TERMINATED', reason: 'idle', at: at(60) });

        const found = await store.findMany([FLEET, 'other'], ['i-1', 'i-2', 'i-3', 'i-4', 'i-1']);

        expect(found.size).toBe(3);
        expect(found.get('i-1')).toEqual(instanceFactory());
        expect(found.get('i-2')).toMatchObject({ instanceId: 'i-2', state: 'TERMINATED', endedAt: at(60) });
        expect(found.get('i-3')).toEqual(other);
        expect([...(await store.findMany([FLEET], ['i-3', 'i-1'])).keys()]).toEqual(['i-1']);
        expect((await store.findMany([FLEET], [])).size).toBe(0);
      });

      it('may be very many, recorded at once, some of which have ended', async () => {
        const store = await setup();
        const many = Array.from({ length: 130 }, (_, n) => instanceFactory({ instanceId: `i-${n}` }));
        for (const instanceId of ['i-3', 'i-60']) {
          await store.updateInstance(FLEET, instanceId, { state: 'READY', reason: null, at: at(30) });
          await store.updateInstance(FLEET, instanceId, { state: 'TERMINATED', reason: 'idle', at: at(60) });
        }

        await store.addInstances(many);

        const found = await store.findMany([FLEET], idsOf(many));
        expect(found.size).toBe(130);
        expect(idsOf((await store.read(FLEET)).instances)).toHaveLength(128);
        expect(found.get('i-60')).toMatchObject({ state: 'TERMINATED', hourlyPriceUsd: many[60]?.hourlyPriceUsd });
      });

      it('that ended are listed newest first, so many at most', async () => {
        const store = await setup();
        const ids = ['i-3', 'i-1', 'i-2'];
        await store.addInstances(ids.map((instanceId) => instanceFactory({ instanceId })));
        for (const [n, instanceId] of ids.entries()) {
          await store.updateInstance(FLEET, instanceId, { state: 'TERMINATED', reason: null, at: at(n) });
        }

        const listed = async (limit: number) => (await store.listEnded(FLEET, limit)).map((each) => each.instanceId);

        expect(await listed(10)).toEqual(['i-2', 'i-1', 'i-3']);
        expect(await listed(2)).toEqual(['i-2', 'i-1']);
        expect(await store.listEnded('other', 10)).toEqual([]);
      });

      it('keep the furthest of reports that come at the same time', async () => {
        const store = await setup();
        await store.addInstances([instanceFactory()]);

        await Promise.all(
          (['BOOTING', 'DRAINING', 'READY', 'TERMINATED', 'BOOTING'] as const).map((state, n) =>
            store.updateInstance(FLEET, 'i-1', { state, reason: null, at: at(n) }),
          ),
        );

        expect((await store.read(FLEET)).instances).toEqual([]);
        expect(await store.listEnded(FLEET, 10)).toMatchObject([{ state: 'TERMINATED', endedAt: at(3) }]);
      });
    });
  });
}
