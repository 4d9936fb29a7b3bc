import { describe, expect, it } from 'vitest';
import { BILLED_MESSAGE_BYTES, type StatusEvent, statusMessageSchema } from '../../core/messages.ts';
import type { StatusChannel } from '../../core/ports.ts';
import { completedEvent, failedEvent, instanceEvent, releasedEvent, startedEvent } from '../factories/events.ts';
import { taskIdFactory } from '../factories/ids.ts';

export interface StatusChannelSetup {
  /** Publishes as the source `i-1`. */
  readonly channel: StatusChannel;
  /** Every body that was published. */
  bodies(): Promise<readonly string[]>;
}

const eventsIn = (bodies: readonly string[]): StatusEvent[] =>
  bodies.flatMap((body) => statusMessageSchema.parse(JSON.parse(body)).events);
const byTask = (events: readonly StatusEvent[]): string[] => events.map((event) => JSON.stringify(event)).sort();

export function describeStatusChannelContract(name: string, setup: () => Promise<StatusChannelSetup>): void {
  describe(`StatusChannel: ${name}`, () => {
    it('packs events of every kind into one message, in order, and names its source', async () => {
      const { channel, bodies } = await setup();
      const events = [startedEvent(), completedEvent(), failedEvent(), releasedEvent(), instanceEvent()];

      await channel.publish(events);

      const [body, ...more] = await bodies();
      expect(JSON.parse(body ?? '')).toEqual({ v: 1, source: 'i-1', events });
      expect(more).toEqual([]);
    });

    it('keeps each message within what is billed as one, and loses nothing on the way', async () => {
      const { channel, bodies } = await setup();
      const json = JSON.stringify('x'.repeat(3_000));
      const events = Array.from({ length: 300 }, (_, n) =>
        completedEvent({ taskId: taskIdFactory(n), result: { json } }),
      );

      await channel.publish(events);

      const published = await bodies();
      expect(byTask(eventsIn(published))).toEqual(byTask(events));
      expect(Math.max(...published.map((body) => Buffer.byteLength(body)))).toBeLessThanOrEqual(BILLED_MESSAGE_BYTES);
      expect(published.length).toBeLessThan(25);
    });

    it('sends an event that is larger than a billed message alone', async () => {
      const { channel, bodies } = await setup();
      const large = completedEvent({ result: { json: JSON.stringify('x'.repeat(BILLED_MESSAGE_BYTES)) } });

      await channel.publish([startedEvent(), large, startedEvent({ leaseId: 'lease-2' })]);

      // No consumer takes so large a result: what is looked at is how it was sent.
      const sent: StatusEvent[] = (await bodies()).flatMap((body) => JSON.parse(body).events);
      expect(byTask(sent)).toEqual(byTask([startedEvent(), large, startedEvent({ leaseId: 'lease-2' })]));
    });

    it.each([
      ['an emoji', '🐟'],
      ['U+FFFE', '\ufffe'],
      ['a lone surrogate', '\ud800'],
    ])('carries %s in ASCII (lesson 46)', async (_what, text) => {
      const { channel, bodies } = await setup();

      await channel.publish([releasedEvent({ reason: text })]);

      const published = await bodies();
      expect(eventsIn(published)).toEqual([releasedEvent({ reason: text })]);
      expect(published.join('')).toMatch(/^[\x20-\x7e]*$/);
    });

    it('publishes nothing when there is nothing to say', async () => {
      const { channel, bodies } = await setup();

      await channel.publish([]);

      expect(await bodies()).toEqual([]);
    });
  });
}
