import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { LocalInstanceProvider } from '../../adapters/local/local-instance-provider.ts';
import { ManualClock } from '../factories/manual-clock.ts';
import { InMemoryInstanceProvider } from '../fakes/in-memory-instance-provider.ts';
import { describeInstanceProviderContract } from './instance-provider.ts';

describeInstanceProviderContract('in memory', async () => {
  const provider = new InMemoryInstanceProvider({ clock: new ManualClock(), capacity: 10 });
  return {
    provider,
    environmentOf: async (instanceId) => provider.machines.get(instanceId)?.request.environment ?? {},
    lose: async (instanceId) => provider.end(instanceId),
    cleanUp: async () => {},
  };
});

it('in memory: fewer machines than asked for is an answer, not an exception (lessons 20, 21)', async () => {
  const provider = new InMemoryInstanceProvider({ clock: new ManualClock(), capacity: 2 });

  const outcome = await provider.launch({ fleet: 'default', intentId: 'intent-1', count: 5, environment: {} });

  expect(outcome.launched).toHaveLength(2);
  expect(outcome.errors).toMatchObject([{ code: 'InsufficientInstanceCapacity', retryable: true }]);
});

/** Stands in for the bootstrap: says what it was told, then runs until it is ended. */
const BOOTSTRAP = '#!/usr/bin/env bash\nenv -0 > environment.new && mv environment.new environment\nexec sleep 600\n';

describeInstanceProviderContract('local', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-machines-'));
  const bootstrapPath = join(folder, 'bootstrap.sh');
  await writeFile(bootstrapPath, BOOTSTRAP);
  await chmod(bootstrapPath, 0o755);
  const stateDir = join(folder, 'machines');
  const provider = new LocalInstanceProvider({
    stateDir,
    bootstrapPath,
    slots: 1,
    baseEnvironment: {},
    graceSeconds: 1,
  });
  return {
    provider,
    environmentOf: (instanceId) =>
      vi.waitFor(async () => {
        const text = await readFile(join(stateDir, instanceId, 'environment'), 'utf8');
        return Object.fromEntries(text.split('\0').map((line) => [line.split('=', 1)[0], line.replace(/^[^=]*=/, '')]));
      }),
    lose: async (instanceId) => {
      const { pid } = JSON.parse(await readFile(join(stateDir, instanceId, 'meta.json'), 'utf8'));
      process.kill(-pid, 'SIGKILL');
    },
    cleanUp: async () => {
      await provider.terminateAll();
      await rm(folder, { recursive: true, force: true });
    },
  };
});
