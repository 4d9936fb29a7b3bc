import { beforeEach, describe, expect, it, vi } from 'vitest';
import { type Clouds, cloudsSchema } from '../../core/clouds.ts';
import { TransientError } from '../../core/errors.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { blobKeys } from '../../core/ids.ts';
import { AZURE_CLOUD, GCP_CLOUD } from '../../test/factories/clouds.ts';
import { jobIdFactory } from '../../test/factories/ids.ts';
import { at, ManualClock } from '../../test/factories/manual-clock.ts';
import { taskMessageFactory } from '../../test/factories/task-message.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryControlChannel } from '../../test/fakes/in-memory-control-channel.ts';
import { inMemoryTaskQueues } from '../../test/fakes/in-memory-task-queue.ts';
import { type CloudServices, fleetServices } from './fleet-services.ts';

const FLEETS = { near: { provider: 'aws' }, far: { provider: 'gcp' }, further: { provider: 'azure' } };

const cloud = () => ({
  queues: inMemoryTaskQueues({ clock: new ManualClock(at(0)) }),
  control: new InMemoryControlChannel(),
  blobs: new InMemoryBlobStore(),
});

function deployment(declared: unknown = { gcp: GCP_CLOUD, azure: AZURE_CLOUD }) {
  const fleets = fleetsOf(fleetsFileSchema.parse({ fleets: FLEETS }));
  const clouds: Clouds = cloudsSchema.parse(declared);
  const [aws, gcp, azure] = [cloud(), cloud(), cloud()];
  const opened: string[] = [];
  const services = fleetServices({ fleets, clouds }, aws, async (name) => {
    opened.push(name);
    return { gcp, azure }[name];
  });
  return { services, aws, gcp, azure, opened };
}

const jobId = jobIdFactory();
const INPUTS = blobKeys.inputs(jobId, 0);
const CHECKPOINT = blobKeys.checkpoint(jobId, `${jobId}-7`, 1, 'lease');
const named = (fleet: string, checkpointRef?: string) => {
  const { input: _, ...message } = taskMessageFactory({ jobId, fleet });
  return { ...message, inputRef: { blob: INPUTS, line: 7 }, ...(checkpointRef ? { checkpointRef } : {}) };
};
const visible = async ({ queues }: ReturnType<typeof cloud>, fleet: string) =>
  (await queues(fleet, 'normal').depth())?.visible;

describe('the services of a fleet', () => {
  it('are those of its cloud', async () => {
    const { services, aws, gcp, azure } = deployment();

    for (const fleet of ['near', 'far', 'further']) await services.queues(fleet, 'normal').send([named(fleet)]);
    await services.control.update('far', (document) => ({
      ...document,
      cancelledJobs: [{ jobId, at: at(0) }],
    }));

    expect(await Promise.all([visible(aws, 'near'), visible(gcp, 'far'), visible(azure, 'further')])).toEqual([
      1, 1, 1,
    ]);
    expect(await visible(aws, 'far')).toBe(0);
    expect(await gcp.control.read('far')).toMatchObject({ document: { cancelledJobs: [{ jobId }] } });
    expect(await aws.control.read('far')).toMatchObject({ document: { cancelledJobs: [] } });
  });

  it('are those of AWS for a cloud that is not declared, and no client of another is loaded', async () => {
    const { services, aws, opened } = deployment({});

    await services.queues('far', 'normal').send([named('far')]);

    expect(await visible(aws, 'far')).toBe(1);
    expect(opened).toEqual([]);
  });

  it('are opened once, when they are first needed', async () => {
    const { services, opened } = deployment();
    await services.queues('near', 'normal').depth();
    expect(opened).toEqual([]);

    await Promise.all([services.queues('far', 'normal').depth(), services.queues('far', 'high').depth()]);

    expect(opened).toEqual(['gcp']);
  });

  it('are asked for again after a cloud could not be reached', async () => {
    const fleets = fleetsOf(fleetsFileSchema.parse({ fleets: FLEETS }));
    const gcp = cloud();
    let tries = 0;
    const services = fleetServices({ fleets, clouds: cloudsSchema.parse({ gcp: GCP_CLOUD }) }, cloud(), async () => {
      tries += 1;
      if (tries === 1) throw new TransientError('no token is to be had');
      return gcp;
    });

    await expect(services.queues('far', 'normal').depth()).rejects.toThrow('no token');

    expect(await services.queues('far', 'normal').depth()).toMatchObject({ visible: 0 });
  });
});

describe('a cloud that says nothing', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    return () => vi.useRealTimers();
  });

  it.each([
    ['send', ({ queues }) => queues('far', 'normal').send([taskMessageFactory({ jobId, fleet: 'far' })])],
    ['depth', ({ queues }) => queues('far', 'normal').depth()],
    ['update', ({ control }) => control.update('far', (document) => document)],
  ] as [string, (services: CloudServices) => Promise<unknown>][])('keeps nobody waiting: %s', async (_, ask) => {
    const fleets = fleetsOf(fleetsFileSchema.parse({ fleets: FLEETS }));
    const silent = new Promise<never>(() => undefined);
    const clouds = cloudsSchema.parse({ gcp: GCP_CLOUD });
    const services = fleetServices({ fleets, clouds }, cloud(), () => silent);

    const asked = expect(ask(services)).rejects.toThrow(/gcp gave no answer within \d+ s/);
    await vi.advanceTimersByTimeAsync(20_000);

    await asked;
  });
});

describe('blobs in several clouds', () => {
  it('that a message names are where its reader looks before it is sent', async () => {
    const { services, aws, gcp, azure } = deployment();
    await aws.blobs.put(INPUTS, '{"input":1}\n', 'application/x-ndjson');
    await azure.blobs.put(CHECKPOINT, 'step 7', 'application/octet-stream');

    await services.queues('far', 'normal').send([named('far', CHECKPOINT), named('far')]);

    expect(gcp.blobs.keys()).toEqual([CHECKPOINT, INPUTS].sort());
    expect(Buffer.from((await gcp.blobs.get(CHECKPOINT)) ?? []).toString()).toBe('step 7');
  });

  it('come home for an attempt that goes on there; inputs are there anyway', async () => {
    const { services, aws, gcp } = deployment();
    await gcp.blobs.put(CHECKPOINT, 'step 7', 'application/octet-stream');
    await gcp.blobs.put(INPUTS, '{"input":1}\n', 'application/x-ndjson');

    await services.queues('near', 'normal').send([named('near', CHECKPOINT)]);

    expect(aws.blobs.keys()).toEqual([CHECKPOINT]);
  });

  it('that are nowhere keep no message from being sent: its reader will say what is missing', async () => {
    const { services, gcp } = deployment();

    await services.queues('far', 'normal').send([named('far', CHECKPOINT)]);

    expect(await visible(gcp, 'far')).toBe(1);
  });

  it('are not copied twice', async () => {
    const { services, aws, gcp } = deployment();
    await aws.blobs.put(INPUTS, 'of home', 'application/x-ndjson');
    await gcp.blobs.put(INPUTS, 'of before', 'application/x-ndjson');

    await services.queues('far', 'normal').send([named('far')]);

    expect(Buffer.from((await gcp.blobs.get(INPUTS)) ?? []).toString()).toBe('of before');
  });

  it('are read wherever they are', async () => {
    const { services, aws, azure } = deployment();
    const [mine, theirs] = [blobKeys.result(jobId, 'a', 1, 'l'), blobKeys.result(jobId, 'b', 1, 'l')];
    await aws.blobs.put(mine, '1', 'application/json');
    await azure.blobs.put(theirs, '22', 'application/json');

    const read = await Promise.all([mine, theirs, 'nothing'].map((key) => services.blobs.get(key)));

    expect(read.map((bytes) => bytes?.length)).toEqual([1, 2, undefined]);
  });

  it('are read although a cloud before theirs does not answer; what is nowhere else may be there', async () => {
    const { services, gcp, azure } = deployment();
    const key = blobKeys.result(jobId, 'a', 1, 'l');
    await azure.blobs.put(key, '1', 'application/json');
    gcp.blobs.get = () => Promise.reject(new TransientError('Cloud Storage does not answer'));

    expect(await services.blobs.get(key)).toHaveLength(1);
    await expect(services.blobs.get('nothing')).rejects.toThrow('does not answer');
  });

  it('are linked to at home, wherever they were written', async () => {
    const { services, aws, gcp } = deployment();
    const key = blobKeys.result(jobId, 'a', 1, 'l');
    await gcp.blobs.put(key, '"large"', 'application/json');

    const link = await services.linksOf(aws.blobs).link(key, 60);

    expect(link).toBe(`data:application/json;base64,${btoa('"large"')}`);
  });
});
