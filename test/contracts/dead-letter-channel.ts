import { describe, expect, it } from 'vitest';
import type { DeadLetterChannel } from '../../core/ports.ts';

type DeadLetter = Parameters<DeadLetterChannel['put']>[0][number];

export interface DeadLetterChannelSetup {
  readonly channel: DeadLetterChannel;
  /** Every letter that was put. */
  letters(): Promise<readonly DeadLetter[]>;
}

const letter = (body: string): DeadLetter => ({ body, reason: 'not JSON', source: 'status-consumer' });

export function describeDeadLetterChannelContract(name: string, setup: () => Promise<DeadLetterChannelSetup>): void {
  describe(`DeadLetterChannel: ${name}`, () => {
    it.each([
      ['text', 'not json'],
      ['nothing', ''],
      ['an emoji', '🐟'],
      ['U+FFFE', '\ufffe'],
      ['a lone surrogate', '\ud800'],
    ])('keeps a body that is %s, with its reason and source', async (_what, body) => {
      const { channel, letters } = await setup();

      await channel.put([letter(body)]);

      expect(await letters()).toEqual([letter(body)]);
    });

    it('keeps 25 letters of one call', async () => {
      const { channel, letters } = await setup();
      const put = Array.from({ length: 25 }, (_, index) => letter(`body ${index}`));

      await channel.put(put);

      const bodies = (await letters()).map((each) => each.body);
      expect(bodies.sort()).toEqual(put.map((each) => each.body).sort());
    });

    it('keeps at least the beginning of a body as large as a queue allows', async () => {
      const { channel, letters } = await setup();

      await channel.put([letter('\u0001'.repeat(1_048_576)), letter('small')]);

      const kept = await letters();
      expect(kept.map((each) => each.body.slice(0, 5)).sort()).toEqual(['\u0001'.repeat(5), 'small']);
    });

    it('takes no letters for no error', async () => {
      const { channel, letters } = await setup();

      await channel.put([]);

      expect(await letters()).toEqual([]);
    });
  });
}
