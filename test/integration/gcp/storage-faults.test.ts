/** Cloud Storage on a bad day: what is tried again, what is told, and what a lost answer does not change. */
import { afterEach, describe, expect, it } from 'vitest';
import { GcsBlobStore } from '../../../adapters/gcp/gcs-blob-store.ts';
import { GcsControlChannel } from '../../../adapters/gcp/gcs-control-channel.ts';
import { withCancelledJob } from '../../../core/control-document.ts';
import { NotFoundError, PermanentError, TransientError } from '../../../core/errors.ts';
import { startStorage } from '../../clouds/gcp/start-storage.ts';
import { useGcpWorld } from '../../contracts/gcp-world.ts';
import { jobIdFactory } from '../../factories/ids.ts';
import { START } from '../../factories/manual-clock.ts';

const gcp = useGcpWorld();
const faults = () => gcp().storage.faults;
afterEach(() => faults().clear());

const blobStore = () => new GcsBlobStore({ bucketUrl: gcp().bucketUrl(), token: null });

describe('blobs on Cloud Storage', () => {
  it.each([{ status: 429 }, { status: 503 }, { lost: true }])(
    'are put and read all the same under %o',
    async (fault) => {
      const blobs = blobStore();
      faults().set({ operation: 'put', times: 2, ...fault }, { operation: 'get', times: 2, ...fault });

      await blobs.put('blob', 'text', 'text/plain');

      expect(Buffer.from((await blobs.get('blob')) ?? []).toString()).toBe('text');
      expect(faults().left).toBe(0);
    },
  );

  it('are a passing trouble while it is gone, and a lasting one where permission lacks', async () => {
    const blobs = blobStore();

    faults().set({ status: 403, times: 1 });
    await expect(blobs.get('blob')).rejects.toThrow(PermanentError);
    faults().down = true;

    await expect(blobs.get('blob')).rejects.toThrow(TransientError);
  });

  it('that are not there are told from a bucket that is not', async () => {
    const blobs = new GcsBlobStore({ bucketUrl: `${gcp().storage.url}/nowhere`, token: null });

    await expect(blobs.get('blob')).rejects.toThrow(NotFoundError);
    await expect(blobs.put('blob', '', 'text/plain')).rejects.toThrow(NotFoundError);
  });

  it('are asked for with a token where there is one', async () => {
    const storage = await startStorage({ token: 'secret' });
    storage.buckets.create('mine');
    const bucketUrl = `${storage.url}/mine`;

    await new GcsBlobStore({ bucketUrl, token: async () => 'secret' }).put('blob', 'text', 'text/plain');
    const refused = new GcsBlobStore({ bucketUrl, token: async () => 'another' }).get('blob');

    await expect(refused).rejects.toThrow(PermanentError);
    await refused.catch((error: unknown) => expect(JSON.stringify(error)).not.toContain('another'));
    await storage.stop();
    expect(storage.buckets.keys('mine')).toEqual(['blob']);
  });
});

describe('the control document on Cloud Storage', () => {
  it('is written once though the answer was lost, and keeps what others wrote meanwhile', async () => {
    const options = { bucketUrl: gcp().bucketUrl(), token: null };
    const [channel, another] = [new GcsControlChannel(options), new GcsControlChannel(options)];
    const cancel = (by: GcsControlChannel, n: number) =>
      by.update('default', (document) => withCancelledJob(document, jobIdFactory(n), new Date(START)));
    faults().set({ operation: 'put', times: 1, lost: true }, { operation: 'put', times: 1, status: 503 });

    await Promise.all([cancel(channel, 1), cancel(another, 2), cancel(channel, 3)]);

    const read = await another.read('default');
    const ids = read.kind === 'document' ? read.document.cancelledJobs.map(({ jobId }) => jobId) : [];
    expect(ids.sort()).toEqual([1, 2, 3].map((n) => jobIdFactory(n)));
    expect(faults().left).toBe(0);
  });
});
