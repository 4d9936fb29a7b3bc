import { describe, expect, it } from 'vitest';
import { type DelayedMessage, delayedMessageSchema } from '../../core/messages.ts';
import type { DelayedQueue } from '../../core/ports.ts';
import { taskIdFactory } from '../factories/ids.ts';
import { taskMessageFactory } from '../factories/task-message.ts';

export interface DelayedQueueSetup {
  /** An empty queue. */
  readonly delayed: DelayedQueue;
  readonly now: () => Date;
  /** The bodies that are due by now; each is taken off the queue. */
  due(): Promise<string[]>;
  /** How many messages are held back. */
  heldBack(): Promise<number>;
  /** Lets time pass for the queue. */
  elapse(seconds: number): Promise<void>;
}

export function describeDelayedQueueContract(name: string, setup: () => Promise<DelayedQueueSetup>): void {
  const dueIn = (now: Date, seconds: number, index = 0): DelayedMessage => ({
    message: taskMessageFactory({ taskId: taskIdFactory(index) }),
    dueAt: new Date(now.getTime() + seconds * 1_000).toISOString(),
  });

  describe(`DelayedQueue: ${name}`, () => {
    it('holds a message back until it is due, and hands it out with its time', async () => {
      const { delayed, now, due, heldBack, elapse } = await setup();
      const sent = dueIn(now(), 1);
      await delayed.send([sent]);

      const early = await due();
      const waiting = await heldBack();
      await elapse(1.1);

      expect({ early, waiting }).toEqual({ early: [], waiting: 1 });
      expect((await due()).map((body) => delayedMessageSchema.parse(JSON.parse(body)))).toEqual([sent]);
    });

    it('hands out at once what was due before', async () => {
      const { delayed, now, due } = await setup();
      await delayed.send([dueIn(now(), -60)]);

      expect(await due()).toHaveLength(1);
    });

    it('takes what is due later than one hop can wait (lesson 9)', async () => {
      const { delayed, now, heldBack } = await setup();
      await delayed.send([dueIn(now(), 3_600)]);

      expect(await heldBack()).toBe(1);
    });

    it('takes more than one call can carry', async () => {
      const { delayed, now, heldBack } = await setup();
      await delayed.send(Array.from({ length: 25 }, (_, index) => dueIn(now(), 600, index)));

      expect(await heldBack()).toBe(25);
    });

    it('carries what SQS would refuse (lesson 46)', async () => {
      const { delayed, now, due } = await setup();
      const input = 'a\ufffeb 🐟 \ud800';
      await delayed.send([{ message: taskMessageFactory({ input }), dueAt: now().toISOString() }]);

      expect((await due()).map((body) => JSON.parse(body).message.input)).toEqual([input]);
    });
  });
}
