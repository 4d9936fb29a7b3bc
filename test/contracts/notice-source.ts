import { describe, expect, it } from 'vitest';
import type { NoticeSource } from '../../core/ports.ts';
import type { MetadataServer } from './metadata-servers.ts';

const never = new AbortController().signal;

/** @param setup a machine of which nothing is announced */
export function describeNoticeSourceContract(
  name: string,
  setup: () => Promise<{ readonly source: NoticeSource; readonly server: MetadataServer }>,
): void {
  describe(`NoticeSource: ${name}`, () => {
    it('has nothing to say while nothing is announced', async () => {
      const { source } = await setup();

      expect(await source.next(never)).toBeNull();
    });

    it('tells that the machine is taken back, how soon, and whose doing it is', async () => {
      const { source, server } = await setup();
      await source.next(never);

      server.giveNotice(30);
      const notice = await source.next(never);

      expect(notice).toMatchObject({ kind: 'interruption', reason: expect.stringMatching(/^spot interruption: /) });
      const secondsLeft = notice?.kind === 'interruption' ? notice.secondsLeft : Number.NaN;
      expect(secondsLeft).toBeGreaterThan(25);
      expect(secondsLeft).toBeLessThanOrEqual(30);
    });

    it('tells of a notice that was given before it was first asked', async () => {
      const { source, server } = await setup();

      server.giveNotice(30);

      expect(await source.next(never)).toMatchObject({ kind: 'interruption' });
    });

    it('says that it cannot be asked, and answers again when it can', async () => {
      const { source, server } = await setup();

      server.break(true);
      await expect(source.next(never)).rejects.toThrow('the metadata server answers 500');
      server.break(false);

      expect(await source.next(never)).toBeNull();
    });

    it('ends a question when nobody waits for its answer any more', async () => {
      const { source } = await setup();
      await source.next(never);

      await expect(source.next(AbortSignal.abort())).rejects.toThrow();
    });
  });
}
