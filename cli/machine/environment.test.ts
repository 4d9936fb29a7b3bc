import { describe, expect, it } from 'vitest';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { parseAgentConfig } from '../../worker-bootstrap/agent/config.ts';
import { readArguments } from './arguments.ts';
import { environmentFile, type Joining, ownFleet, ownMachineEnvironment } from './environment.ts';
import { instructions } from './instructions.ts';

const fleets = fleetsOf(
  fleetsFileSchema.parse({
    fleets: {
      cloud: { provider: 'aws' },
      own: { provider: 'external', slot: { vcpu: 2, memoryMiB: 512, diskGiB: 3 }, maxLifetimeHours: 12 },
    },
  }),
);
const sqs = 'https://sqs.eu-central-1.amazonaws.com/123456789012';
const joining: Joining = {
  fleets,
  bootstrapUrl: 's3://bucket/artifacts/def/bootstrap.sh',
  surroundings: { SHOAL_TASK_USER: 'shoal-task' },
  settings: {
    stage: 'dev',
    region: 'eu-central-1',
    bucket: 'bucket',
    queueUrlPrefix: `${sqs}/`,
    statusQueueUrl: `${sqs}/shoal-status-dev`,
    agentUrl: 's3://bucket/artifacts/abc/agent.mjs',
    agentSha256: 'abc',
    readyDeadlineSeconds: 300,
  },
};
const machine = { idle: 'never', workDir: '/var/lib/shoal' };

describe('the environment of a machine of somebody’s own', () => {
  const environment = ownMachineEnvironment(ownFleet('own', fleets), joining, machine);

  it('is what the agent needs: it waits for ever, and goes by what it has', () => {
    const { idleSeconds, provider, instanceId, slot, maxLifetimeSeconds, bucket, workDir } =
      parseAgentConfig(environment);

    expect({ idleSeconds, provider, maxLifetimeSeconds, bucket, workDir }).toEqual({
      idleSeconds: Number.POSITIVE_INFINITY,
      provider: 'external',
      maxLifetimeSeconds: 43_200,
      bucket: 'bucket',
      workDir: '/var/lib/shoal',
    });
    expect(slot.memoryMiB).toBe(512);
    expect(instanceId).not.toBe('');
    expect(environment).not.toHaveProperty('SHOAL_SLOTS');
  });

  it('names no credentials, and nothing that ends the machine', () => {
    expect(Object.keys(environment).filter((name) => /KEY|SECRET|TOKEN|SHUTDOWN/.test(name))).toEqual([]);
  });

  it('is a file that a shell, Docker and Kubernetes read alike, or none', () => {
    expect(environmentFile({ A: 's3://b/c', B: '' })).toBe('A=s3://b/c\nB=\n');
    for (const value of ['two words', 'a"b', "a'b", 'a\nb', 'a$b', 'a#b', '`id`']) {
      expect(() => environmentFile({ A: value }), value).toThrow('A has a character');
    }
  });
});

describe('a fleet that a machine joins by itself', () => {
  it('is one of provider external: elsewhere it would be ended as unknown', () => {
    expect(() => ownFleet('cloud', fleets)).toThrow(/launched at "aws".*external these are there: own$/);
    expect(() => ownFleet('owm', fleets)).toThrow(/no fleet owm.*these are there: own$/);
    expect(() => ownFleet('cloud', fleets.slice(0, 1))).toThrow(/fleets.yml declares none yet$/);
  });
});

describe('npm run machine', () => {
  const told = (...args: string[]) => {
    const read = readArguments(['--fleet', 'own', ...args]);
    if (read === 'help') throw new Error('help was not asked for');
    return read;
  };

  it('refuses what it cannot mean', () => {
    expect(() => readArguments([])).toThrow('--fleet is missing');
    expect(() => told('--idle', '0')).toThrow('--idle must be');
    expect(() => told('--idle', 'ever')).toThrow('--idle must be');
    expect(() => told('--stage', 'Dev!')).toThrow('--stage must be');
    expect(() => told('--work-dir', 'here')).toThrow('--work-dir must be');
    expect(() => told('--flet', 'own')).toThrow(/--flet/);
    expect(readArguments(['--help'])).toBe('help');
  });

  it('tells the commands for a bare machine and a container, with the options that were given', () => {
    const text = instructions(told('--stage', 'prod', '--region', 'eu-west-1', '--idle', '60'), joining.bootstrapUrl);

    expect(text).toContain('--fleet own --stage prod --region eu-west-1 --idle 60 --env > shoal.env');
    expect(text).toContain('aws s3 cp s3://bucket/artifacts/def/bootstrap.sh bootstrap.sh');
    expect(text).toContain('docker run');
  });

  it('tells for the local run only what can join it: a process of this computer', () => {
    const text = instructions(told('--local', '--data', '/tmp/run'), 'file:///checkout/worker-bootstrap/bootstrap.sh');

    expect(text).toContain('--fleet own --local --data /tmp/run --env > shoal.env');
    expect(text).toContain('exec bash /checkout/worker-bootstrap/bootstrap.sh');
    expect(text).not.toContain('docker');
  });
});
