import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { createEc2Client } from '../../adapters/aws/ec2-clients.ts';
import { launchTemplateName } from '../../adapters/aws/ec2-fleet-request.ts';
import { Ec2InstanceProvider } from '../../adapters/aws/ec2-instance-provider.ts';
import { GceInstanceProvider } from '../../adapters/gcp/gce-instance-provider.ts';
import { LocalInstanceProvider } from '../../adapters/local/local-instance-provider.ts';
import { GCP } from '../../worker-bootstrap/platforms/gcp.ts';
import { renderUserData } from '../../worker-bootstrap/user-data.ts';
import { ComputeServer } from '../clouds/gcp/compute-server.ts';
import { gcpCloud } from '../clouds/gcp/gcp-cloud.ts';
import { choiceFactory } from '../factories/choice.ts';
import { ManualClock } from '../factories/manual-clock.ts';
import { InMemoryInstanceProvider } from '../fakes/in-memory-instance-provider.ts';
import { Ec2Service } from './ec2-service.ts';
import { describeInstanceProviderContract, MACHINE_ENVIRONMENT } from './instance-provider.ts';

describeInstanceProviderContract('in memory', async () => {
  const provider = new InMemoryInstanceProvider({ clock: new ManualClock(), capacity: 10 });
  return {
    provider,
    environmentOf: async (instanceId) => provider.machines.get(instanceId)?.request.environment ?? {},
    lose: async (instanceId) => provider.takeBack(instanceId),
    switchOff: async (instanceId) => provider.end(instanceId),
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
  const kill = async (instanceId: string): Promise<void> => {
    const { pid } = JSON.parse(await readFile(join(stateDir, instanceId, 'meta.json'), 'utf8'));
    process.kill(-pid, 'SIGKILL');
  };
  return {
    provider,
    isOwn: true,
    environmentOf: (instanceId) =>
      vi.waitFor(async () => {
        const text = await readFile(join(stateDir, instanceId, 'environment'), 'utf8');
        return Object.fromEntries(text.split('\0').map((line) => [line.split('=', 1)[0], line.replace(/^[^=]*=/, '')]));
      }),
    lose: kill,
    switchOff: kill,
    cleanUp: async () => {
      await provider.terminateAll();
      await rm(folder, { recursive: true, force: true });
    },
  };
});

describeInstanceProviderContract('EC2', async () => {
  const ec2 = new Ec2Service();
  const endpoint = await ec2.start();
  const client = createEc2Client({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  });
  // The deployment tells machines what they need to know, by the template of their fleet.
  const userData = renderUserData({ url: 'https://example.com', sha256: '', environment: MACHINE_ENVIRONMENT });
  for (const fleet of ['default', 'other']) ec2.launchTemplates.set(launchTemplateName('test', fleet), { userData });
  const ec2Provider = new Ec2InstanceProvider({
    client,
    stage: 'test',
    subnetIds: ['subnet-a', 'subnet-b'],
    images: { arm64: 'ami-arm', x86_64: 'ami-x86' },
  });
  const choices = ['us-east-1a', 'us-east-1b'].map((zone) => choiceFactory({ zone }));
  return {
    provider: {
      name: ec2Provider.name,
      launch: (request) => ec2Provider.launch({ ...request, choices }),
      list: (...fleets) => ec2Provider.list(...fleets),
      terminate: (instanceIds) => ec2Provider.terminate(instanceIds),
    },
    environmentOf: async (instanceId) => {
      const name = ec2.machines.get(instanceId)?.launchTemplateName ?? '';
      const script = ec2.launchTemplates.get(name)?.userData ?? '';
      return Object.fromEntries([...script.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, key, value]) => [key, value]));
    },
    lose: async (instanceId) => ec2.interrupt(instanceId),
    switchOff: async (instanceId) => ec2.shutDown(instanceId),
    cleanUp: async () => {
      client.destroy();
      await ec2.stop();
    },
  };
});

describeInstanceProviderContract('Compute Engine', async () => {
  const compute = new ComputeServer({ token: 'ya29.control' });
  const gce = new GceInstanceProvider({
    cloud: gcpCloud(await compute.start()),
    stage: 'test',
    token: async () => 'ya29.control',
    startupScript: (environment) =>
      renderUserData({ url: 'https://example.com', sha256: '', environment, platform: GCP }),
  });
  const choices = [choiceFactory({ provider: 'gcp', instanceType: 't2d-standard-1', zone: null })];
  return {
    provider: {
      name: gce.name,
      launch: (request) => gce.launch({ ...request, choices }),
      list: (...fleets) => gce.list(...fleets),
      terminate: (instanceIds) => gce.terminate(instanceIds),
    },
    environmentOf: async (instanceId) => {
      const { items } = compute.machines.get(instanceId)?.request.instanceProperties.metadata ?? { items: [] };
      const script = items.find(({ key }) => key === 'startup-script')?.value ?? '';
      return Object.fromEntries([...script.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, key, value]) => [key, value]));
    },
    lose: async (instanceId) => compute.preempt(instanceId),
    switchOff: async (instanceId) => compute.switchOff(instanceId),
    cleanUp: () => compute.stop(),
  };
});
