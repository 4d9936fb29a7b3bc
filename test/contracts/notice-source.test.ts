import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AwsSpotNotices } from '../../adapters/aws/spot-notices.ts';
import { AzureScheduledEvents } from '../../adapters/azure/scheduled-events.ts';
import { GcpPreemptionNotices } from '../../adapters/gcp/preemption-notices.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import { startMetadataStub } from '../../local/metadata-stub.ts';
import { systemClock } from '../factories/manual-clock.ts';
import { azureMetadata, ec2Metadata, gceMetadata } from './metadata-servers.ts';
import { describeNoticeSourceContract } from './notice-source.ts';

const never = new AbortController().signal;

const onEc2 = async () => {
  const server = await ec2Metadata();
  return { server, source: new AwsSpotNotices({ url: server.url, clock: systemClock }) };
};
const onCompute = async (waitSeconds = 0.05) => {
  const server = await gceMetadata();
  return { server, source: new GcpPreemptionNotices({ url: server.url, waitSeconds }) };
};
const onAzure = async () => {
  const server = await azureMetadata();
  return { server, source: new AzureScheduledEvents({ url: server.url, clock: systemClock }) };
};

describeNoticeSourceContract('EC2', onEc2);
describeNoticeSourceContract('Compute Engine', () => onCompute());
describeNoticeSourceContract('Azure', onAzure);

describe('EC2', () => {
  it('is asked with one token, and with another when that has expired', async () => {
    const { server, source } = await onEc2();
    await source.next(never);
    await source.next(never);
    expect(server.asked.filter((each) => each.startsWith('PUT'))).toHaveLength(1);

    server.expireToken();

    await expect(source.next(never)).rejects.toThrow('answers 401');
    expect(await source.next(never)).toBeNull();
  });

  it('recommends to rebalance', async () => {
    const { server, source } = await onEc2();

    server.put('events/recommendations/rebalance', '{"noticeTime":"2026-03-01T12:00:00Z"}');

    expect(await source.next(never)).toEqual({ kind: 'rebalance', reason: 'EC2 recommends to rebalance' });
  });

  it('takes the machine back by a notice that nobody can read, too', async () => {
    const { server, source } = await onEc2();

    server.put('spot/instance-action', 'soon');

    expect(await source.next(never)).toMatchObject({ kind: 'interruption', secondsLeft: 120 });
  });
});

describe('Compute Engine', () => {
  it('is asked once and answers when something happens', async () => {
    const { server, source } = await onCompute(60);
    await source.next(never);

    const notice = source.next(never);
    await until(() => server.asked.length === 2, 'it is asked');
    server.giveNotice();

    expect(await notice).toMatchObject({ kind: 'interruption', secondsLeft: 30 });
    expect(server.asked[1]).toContain('?wait_for_change=true&timeout_sec=60&last_etag=first');
  });
});

describe('Azure', () => {
  it('speaks of neighbours, which is nothing to us', async () => {
    const { server, source } = await onAzure();

    server.announce('Preempt', 30, ['worker_1', '_worker_2']);
    expect(await source.next(never)).toBeNull();
    server.announce('Preempt', null, ['set_worker_3']);

    expect(await source.next(never)).toMatchObject({ kind: 'interruption', secondsLeft: 30 });
  });

  it('freezes machines, which harms nobody, and reboots them, which is a reason to begin nothing new', async () => {
    const { server, source } = await onAzure();

    server.announce('Freeze', 900);
    expect(await source.next(never)).toBeNull();
    server.announce('Reboot', 900);

    expect(await source.next(never)).toEqual({ kind: 'rebalance', reason: 'Azure announces a Reboot' });
  });

  it('is told when all is saved, so that it need not wait: lesson 35 and its other end', async () => {
    const { server, source } = await onAzure();
    server.giveNotice(30);
    await source.next(never);

    await source.letGo();

    expect(server.asked.at(-1)).toBe('POST /metadata/scheduledevents?api-version=2020-07-01');
    expect(server.bodies).toEqual(['{"StartRequests":[{"EventId":"event-1"}]}']);
  });
});

describe('the metadata server of local machines', () => {
  it('knows no machine that does not run', async () => {
    const instances = join(temporaryFolder(), 'instances');
    await mkdir(instances);
    const stub = await startMetadataStub(instances);
    onTestFinished(() => stub.stop());

    expect(await stub.interrupt('local-0123456789ab')).toBe(false);
    const answer = await fetch(`${stub.url}/local-0123456789ab/interrupt`, { method: 'POST' });
    expect([answer.status, await answer.text()]).toEqual([404, 'no machine local-0123456789ab is running\n']);
    const source = new AwsSpotNotices({ url: `${stub.url}/local-0123456789ab`, clock: systemClock });
    expect(await source.next(never)).toBeNull();
  });
});
