import { afterEach, describe, expect, it, vi } from 'vitest';
import type { LaunchRequest } from '../../core/launch.ts';
import type { InstanceProvider } from '../../core/ports.ts';
import { reconcileInstances } from '../../core/reconcile-instances.ts';
import { instanceFactory } from '../factories/instance.ts';

export interface InstanceProviderSetup {
  /** A provider without machines, and with room for ten. */
  readonly provider: InstanceProvider;
  /** What the machine was told as its environment. */
  environmentOf(instanceId: string): Promise<Readonly<Record<string, string>>>;
  /** The machine ends without anyone having asked for it: where machines are rented, it is taken back. */
  lose(instanceId: string): Promise<void>;
  /** The machine's system shuts itself down. */
  switchOff(instanceId: string): Promise<void>;
  /** Its machines are nobody's to take back. */
  readonly isOwn?: boolean;
  /** Ends whatever a test left running. */
  cleanUp(): Promise<void>;
}

/** What the machines of the suite are told. */
export const MACHINE_ENVIRONMENT = { SHOAL_FLEET: 'default', SHOAL_STATUS_QUEUE_URL: 'http://127.0.0.1/status?a=b c' };

const request = (overrides: Partial<LaunchRequest> = {}): LaunchRequest => ({
  fleet: 'default',
  intentId: 'intent-1',
  count: 1,
  environment: MACHINE_ENVIRONMENT,
  ...overrides,
});
const idsOf = (instances: readonly { instanceId: string }[]): string[] =>
  instances.map((each) => each.instanceId).sort();
const runningIds = async (provider: InstanceProvider, fleet = 'default'): Promise<string[]> =>
  idsOf((await provider.list(fleet)).filter((each) => each.running));

export function describeInstanceProviderContract(name: string, setup: () => Promise<InstanceProviderSetup>): void {
  describe(`InstanceProvider: ${name}`, () => {
    let cleanUp: (() => Promise<void>) | undefined;
    const prepare = async (): Promise<InstanceProviderSetup> => {
      const made = await setup();
      cleanUp = () => made.cleanUp();
      return made;
    };
    afterEach(async () => {
      await cleanUp?.();
    });

    it('launches as many machines as asked for, and lists them with their intent', async () => {
      const { provider } = await prepare();

      const { launched, errors } = await provider.launch(request({ count: 3 }));

      expect(errors).toEqual([]);
      expect(new Set(idsOf(launched)).size).toBe(3);
      const listed = await provider.list('default');
      expect(idsOf(listed)).toEqual(idsOf(launched));
      for (const each of listed) {
        const { launchedAt } = launched.find((other) => other.instanceId === each.instanceId) ?? {};
        expect(each).toMatchObject({ fleet: 'default', intentId: 'intent-1', running: true });
        // A provider may have its own clock for what it lists.
        expect(Math.abs(Date.parse(each.launchedAt) - Date.parse(launchedAt ?? ''))).toBeLessThan(60_000);
        expect(new Date(each.launchedAt).toISOString()).toBe(each.launchedAt);
      }
    });

    it('launches once for one intent, asked twice: the same machines are the answer (lesson 25)', async () => {
      const { provider } = await prepare();

      const first = await provider.launch(request({ count: 2 }));
      const second = await provider.launch(request({ count: 2 }));

      expect(idsOf(second.launched)).toEqual(idsOf(first.launched));
      expect(await runningIds(provider)).toEqual(idsOf(first.launched));
    });

    it('launches once for one intent that two runs ask for at the same time', async () => {
      const { provider } = await prepare();

      const outcomes = await Promise.all([
        provider.launch(request({ count: 2 })),
        provider.launch(request({ count: 2 })),
      ]);

      const ids = new Set(outcomes.flatMap((outcome) => idsOf(outcome.launched)));
      expect(ids.size).toBe(2);
      expect(await runningIds(provider)).toHaveLength(2);
    });

    it('launches again for another intent', async () => {
      const { provider } = await prepare();
      await provider.launch(request());

      await provider.launch(request({ intentId: 'intent-2' }));

      expect((await provider.list('default')).map((each) => each.intentId).sort()).toEqual(['intent-1', 'intent-2']);
    });

    it('tells the machine what it needs to know', async () => {
      const { provider, environmentOf } = await prepare();

      const { launched } = await provider.launch(request());

      expect(await environmentOf(launched[0]?.instanceId ?? '')).toMatchObject(request().environment);
    });

    it('lists each fleet its own machines', async () => {
      const { provider } = await prepare();
      const { launched } = await provider.launch(request());
      await provider.launch(request({ fleet: 'other', intentId: 'intent-2' }));

      expect(await runningIds(provider)).toEqual(idsOf(launched));
      expect(await runningIds(provider, 'other')).toHaveLength(1);
      expect(await provider.list('unknown')).toEqual([]);
      expect((await provider.list('default', 'other')).map((each) => each.fleet).sort()).toEqual(['default', 'other']);
      expect(await provider.list()).toHaveLength(2);
    });

    it('ends the machines it is told to, and no other', async () => {
      const { provider } = await prepare();
      const { launched } = await provider.launch(request({ count: 3 }));
      const [first = '', ...others] = idsOf(launched);

      await provider.terminate([first]);

      await vi.waitFor(async () => expect(await runningIds(provider)).toEqual(others), { timeout: 10_000 });
    });

    it('takes the end of a machine that is unknown or over for no error', async () => {
      const { provider } = await prepare();
      const [instanceId = ''] = idsOf((await provider.launch(request())).launched);
      await provider.terminate([instanceId]);

      await expect(provider.terminate([instanceId, 'i-unknown', '../..'])).resolves.toBeUndefined();
      await expect(provider.terminate([])).resolves.toBeUndefined();
    });

    it('notices that a machine is gone', async () => {
      const { provider, lose } = await prepare();
      const [lost = '', kept] = idsOf((await provider.launch(request({ count: 2 }))).launched);

      await lose(lost);

      await vi.waitFor(async () => expect(await runningIds(provider)).toEqual([kept]), { timeout: 10_000 });
    });

    it.each([
      ['is taken back before it is ready has not failed', 'lose'],
      ['switches itself off before it is ready has failed to boot', 'switchOff'],
    ] as const)('tells enough for the rule that a spot machine that %s (lesson 23)', async (_what, end) => {
      const { isOwn = false, ...world } = await prepare();
      const { launched } = await world.provider.launch(request());
      const [instanceId = ''] = idsOf(launched);

      await world[end](instanceId);

      const endOf = async () => {
        const row = instanceFactory({ instanceId, state: 'BOOTING', requestedAt: launched[0]?.launchedAt ?? '' });
        const soon = new Date(Date.parse(row.requestedAt) + 61_000);
        const readyDeadlineAt = new Date(soon.getTime() + 1_000).toISOString();
        const observed = await world.provider.list('default');
        const settings = { graceSeconds: 60, isSpot: true };
        return reconcileInstances([{ ...row, readyDeadlineAt }], observed, { intents: [] }, soon, settings).gone[0];
      };
      const state = end === 'lose' && !isOwn ? 'INTERRUPTED' : 'FAILED';
      await vi.waitFor(async () => expect(await endOf()).toMatchObject({ state }), { timeout: 10_000 });
    });

    it('does not launch again for an intent whose machine has ended', async () => {
      const { provider } = await prepare();
      const { launched } = await provider.launch(request());
      await provider.terminate(idsOf(launched));

      const again = await provider.launch(request());

      expect(idsOf(again.launched)).toEqual(idsOf(launched));
      await vi.waitFor(async () => expect(await runningIds(provider)).toEqual([]), { timeout: 10_000 });
    });
  });
}
