import { describe, expect, it } from 'vitest';
import { emptyControlDocument, withCancelledJob } from '../../core/control-document.ts';
import type { ControlChannel } from '../../core/ports.ts';
import { jobIdFactory } from '../factories/ids.ts';
import { START } from '../factories/manual-clock.ts';

const FLEET = 'default';
const cancel = (channel: ControlChannel, n: number, fleet = FLEET) =>
  channel.update(fleet, (document) => withCancelledJob(document, jobIdFactory(n), new Date(START)));
const cancelled = (n: number) => ({ jobId: jobIdFactory(n), at: START });

/** @param setup a channel on which nothing was ever written */
export function describeControlChannelContract(name: string, setup: () => Promise<ControlChannel>): void {
  describe(`ControlChannel: ${name}`, () => {
    it('reads the empty document, without an ETag, where none was written', async () => {
      const channel = await setup();

      expect(await channel.read(FLEET)).toEqual({ kind: 'document', document: emptyControlDocument, etag: null });
      expect(await channel.read(FLEET, '"of another life"')).toMatchObject({ document: emptyControlDocument });
    });

    it('reads what was written, each fleet its own', async () => {
      const channel = await setup();

      await cancel(channel, 1);
      await cancel(channel, 2);
      await cancel(channel, 3, 'other');

      const document = { ...emptyControlDocument, cancelledJobs: [cancelled(1), cancelled(2)] };
      expect(await channel.read(FLEET)).toEqual({ kind: 'document', document, etag: expect.any(String) });
      expect(await channel.read('other')).toMatchObject({ document: { cancelledJobs: [cancelled(3)] } });
    });

    it('says that nothing changed to whoever has the present ETag, and only to them', async () => {
      const channel = await setup();
      await cancel(channel, 1);
      const first = await channel.read(FLEET);
      const etag = first.kind === 'document' ? (first.etag ?? '') : '';

      expect(await channel.read(FLEET, etag)).toEqual({ kind: 'unchanged' });
      await cancel(channel, 2);
      const second = await channel.read(FLEET, etag);

      expect(second).toMatchObject({ kind: 'document', document: { cancelledJobs: [cancelled(1), cancelled(2)] } });
      expect(second).not.toMatchObject({ etag });
    });

    it('loses nothing of concurrent updates', async () => {
      const channel = await setup();
      const jobs = [1, 2, 3, 4, 5];

      await Promise.all(jobs.map((n) => cancel(channel, n)));

      const read = await channel.read(FLEET);
      const ids = read.kind === 'document' ? read.document.cancelledJobs.map((entry) => entry.jobId) : [];
      expect(ids.sort()).toEqual(jobs.map((n) => jobIdFactory(n)));
    });
  });
}
