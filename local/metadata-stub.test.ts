import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AwsSpotNotices } from '../adapters/aws/spot-notices.ts';
import { AzureScheduledEvents } from '../adapters/azure/scheduled-events.ts';
import { GcpPreemptionNotices } from '../adapters/gcp/preemption-notices.ts';
import { LocalInstanceProvider } from '../adapters/local/local-instance-provider.ts';
import { temporaryFolder } from '../adapters/local/testing/temporary-folder.ts';
import { until } from '../adapters/local/testing/until.ts';
import type { NoticeSource } from '../core/ports.ts';
import { systemClock } from '../test/factories/manual-clock.ts';
import { startMetadataStub } from './metadata-stub.ts';

/** A machine that runs until it is ended and does nothing about notices, and its metadata server. */
async function machine(fleetProvider = 'aws') {
  const stateDir = temporaryFolder();
  const bootstrapPath = join(stateDir, 'boot.sh');
  writeFileSync(bootstrapPath, 'mkdir -p "$SHOAL_WORK_DIR"\nenv > ../env.new\nmv ../env.new ../env\nsleep 60\n');
  const stub = await startMetadataStub(stateDir);
  const baseEnvironment = { SHOAL_METADATA_URL: stub.url };
  const provider = new LocalInstanceProvider({ stateDir, bootstrapPath, baseEnvironment, graceSeconds: 0 });
  onTestFinished(async () => {
    await stub.stop();
    await provider.terminateAll();
  });
  const request = { fleet: 'default', intentId: 'one', count: 1, environment: { SHOAL_PROVIDER: fleetProvider } };
  const instanceId = (await provider.launch(request)).launched[0]?.instanceId ?? '';
  const isRunning = async () => (await provider.list()).some((each) => each.instanceId === instanceId && each.running);
  const environment = await until(() => {
    try {
      return readFileSync(join(stateDir, 'env'), 'utf8');
    } catch {
      return undefined;
    }
  }, 'it booted');
  return { stub, instanceId, isRunning, environment, url: `${stub.url}/${instanceId}` };
}

const never = new AbortController().signal;
const post = async (url: string): Promise<number> => (await fetch(url, { method: 'POST' })).status;

describe('the metadata server of a local machine', () => {
  it('gives notice, and takes the machine when the time is up, ready or not', async () => {
    const { instanceId, isRunning, environment, url } = await machine();
    expect(environment).toContain(`SHOAL_METADATA_URL=${url}\n`);
    expect(environment).toContain('SHOAL_PROVIDER=aws\n');

    expect(await post(`${url}/interrupt?seconds=0.3`)).toBe(202);

    const token = await (await fetch(`${url}/latest/api/token`, { method: 'PUT' })).text();
    const headers = { 'x-aws-ec2-metadata-token': token };
    const action = await fetch(`${url}/latest/meta-data/spot/instance-action`, { headers });
    expect(await action.json()).toMatchObject({ action: 'terminate', time: expect.stringMatching(/:\d\dZ$/) });
    await until(async () => !(await isRunning()), `${instanceId} is gone`);
    expect(await post(`${url}/interrupt`)).toBe(404);
  });

  it.each([
    ['aws', (url: string) => new AwsSpotNotices({ url, clock: systemClock })],
    ['gcp', (url: string) => new GcpPreemptionNotices({ url, waitSeconds: 5 })],
    ['azure', (url: string) => new AzureScheduledEvents({ url, clock: systemClock })],
  ] as [string, (url: string) => NoticeSource][])(
    'speaks to a machine of %s as it is used to',
    async (provider, sourceAt) => {
      const { url, environment } = await machine(provider);
      expect(environment).toContain(`SHOAL_PROVIDER=${provider}\n`);
      const source = sourceAt(url);
      expect(await source.next(never)).toBeNull();

      const [notice] = await Promise.all([
        until(async () => (await source.next(never)) ?? undefined, 'it is told'),
        post(`${url}/interrupt?seconds=30`),
      ]);

      expect(notice).toMatchObject({ kind: 'interruption', reason: expect.stringContaining('spot interruption') });
      await source.letGo?.();
    },
  );

  it('speaks as AWS to a machine of your own', async () => {
    expect((await machine('external')).environment).toContain('SHOAL_PROVIDER=aws\n');
  });

  it('lets a machine vanish without a word', async () => {
    const { isRunning, url } = await machine();
    expect(await isRunning()).toBe(true);

    expect(await post(`${url}/vanish`)).toBe(202);

    expect(await isRunning()).toBe(false);
  });

  it('understands nothing else', async () => {
    const { isRunning, url } = await machine();

    expect(await post(`${url}/interrupt?seconds=soon`)).toBe(400);
    expect(await post(`${url}/explode`)).toBe(404);
    expect(await post(`${url}/constructor`)).toBe(404);
    expect((await fetch(`${url}/latest/meta-data/spot/instance-action`)).status).toBe(401);
    expect(await isRunning()).toBe(true);
  });
});
