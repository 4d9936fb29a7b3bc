import { describe, expect, it } from 'vitest';
import { at, ManualClock } from '../../test/factories/manual-clock.ts';
import { InMemoryInstanceProvider } from '../../test/fakes/in-memory-instance-provider.ts';
import { endOutlived } from './end-outlived.ts';

async function prepare(...lifetimes: (string | undefined)[]) {
  const clock = new ManualClock();
  const provider = new InMemoryInstanceProvider({ clock });
  const ids: string[] = [];
  for (const [n, expiresAt] of lifetimes.entries()) {
    const life = expiresAt === undefined ? {} : { expiresAt };
    const intent = { fleet: `fleet-${n}`, intentId: `intent-${n}`, count: 1, environment: {}, ...life };
    const { launched } = await provider.launch(intent);
    ids.push(...launched.map((each) => each.instanceId));
  }
  return { clock, provider, ids, running: () => ids.filter((id) => provider.machines.get(id)?.running) };
}

describe('the reaper', () => {
  it('ends the machines of every fleet whose lifetime is over, and no other (lesson 24)', async () => {
    const { clock, provider, ids, running } = await prepare(at(60), at(61), at(30), undefined);
    clock.advance(60);

    const ended = await endOutlived(provider, clock);

    expect(ended).toEqual([ids[0], ids[2]]);
    expect(running()).toEqual([ids[1], ids[3]]);
  });

  it('ends a machine that was stopped long before its lifetime is over: its disk costs on', async () => {
    const { clock, provider, ids } = await prepare(at(3_600), undefined);
    const list = provider.list.bind(provider);
    provider.list = async () =>
      (await list()).map((each) => ({ ...each, running: false, stopped: each.instanceId === ids[1] }));

    expect(await endOutlived(provider, clock)).toEqual([ids[1]]);
  });

  it('asks for nothing to be ended when nothing is over', async () => {
    const { clock, provider } = await prepare(at(60));
    provider.terminate = () => Promise.reject(new Error('there is nothing to end'));

    expect(await endOutlived(provider, clock)).toEqual([]);
  });
});
