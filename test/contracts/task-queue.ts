import { describe, expect, it } from 'vitest';
import type { TaskMessage } from '../../core/messages.ts';
import type { QueueDepth } from '../../core/plan-scale.ts';
import type { Lease, TaskQueue } from '../../core/ports.ts';
import { taskIdFactory } from '../factories/ids.ts';
import { taskMessageFactory } from '../factories/task-message.ts';

export interface TaskQueueSetup {
  /** An empty queue. */
  readonly queue: TaskQueue;
  /** Puts a body on the queue that no task queue would send. */
  sendRaw(body: string): Promise<void>;
  /** What is on it, where the queue itself does not tell. */
  counted?(): Promise<QueueDepth>;
  /** Lets time pass for the queue. */
  elapse(seconds: number): Promise<void>;
}

const LEASE_SECONDS = 30;
const message = (index = 0, overrides: Partial<TaskMessage> = {}): TaskMessage =>
  taskMessageFactory({ taskId: taskIdFactory(index), ...overrides });

/** Receives until so many leases are held: a queue may hand out fewer at a time than it has. */
async function leaseAll(queue: TaskQueue, count: number, leaseSeconds = LEASE_SECONDS): Promise<Lease[]> {
  const held: Lease[] = [];
  for (let tries = 0; held.length < count && tries < count + 10; tries += 1) {
    const { leases } = await queue.receive({ maxMessages: 10, waitSeconds: 1, leaseSeconds });
    held.push(...leases);
  }
  return held;
}
async function leaseOne(queue: TaskQueue, leaseSeconds = LEASE_SECONDS): Promise<Lease> {
  const [lease] = await leaseAll(queue, 1, leaseSeconds);
  if (!lease) throw new Error('the queue gave no message');
  return lease;
}
const receiveNow = (queue: TaskQueue) =>
  queue.receive({ maxMessages: 10, waitSeconds: 0, leaseSeconds: LEASE_SECONDS });

/** What is on the queue, by its own word or, where it has none, by the test's. */
async function depthOf({ queue, counted }: TaskQueueSetup): Promise<QueueDepth | null> {
  return (await queue.depth()) ?? counted?.() ?? null;
}

export function describeTaskQueueContract(name: string, setup: () => Promise<TaskQueueSetup>): void {
  describe(`TaskQueue: ${name}`, () => {
    it('hands out what was sent, as the first delivery', async () => {
      const { queue } = await setup();
      await queue.send([message()]);

      const lease = await leaseOne(queue);

      expect(lease).toMatchObject({ message: message(), receiveCount: 1 });
      expect(lease.leaseId).not.toBe('');
    });

    it('answers an empty queue with nothing', async () => {
      const { queue } = await setup();

      expect(await receiveNow(queue)).toEqual({ leases: [], unreadable: [] });
    });

    it('hides a leased message', async () => {
      const { queue } = await setup();
      await queue.send([message()]);
      await leaseOne(queue);

      expect((await receiveNow(queue)).leases).toEqual([]);
    });

    it('returns a message whose lease lapsed, as a new delivery under a new lease', async () => {
      const { queue, elapse } = await setup();
      await queue.send([message()]);
      const first = await leaseOne(queue, 1);

      await elapse(1.1);
      const second = await leaseOne(queue);

      expect(second).toMatchObject({ message: message(), receiveCount: 2 });
      expect(second.leaseId).not.toBe(first.leaseId);
      expect(second.receiptHandle).not.toBe(first.receiptHandle);
    });

    it('removes an acknowledged message for good', async () => {
      const setUp = await setup();
      const { queue, elapse } = setUp;
      await queue.send([message()]);

      await queue.acknowledge([await leaseOne(queue, 1)]);
      await elapse(1.1);

      expect((await receiveNow(queue)).leases).toEqual([]);
      expect(await depthOf(setUp)).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
    });

    it('takes an acknowledgement twice', async () => {
      const { queue } = await setup();
      await queue.send([message()]);
      const lease = await leaseOne(queue);

      await queue.acknowledge([lease]);

      await expect(queue.acknowledge([lease])).resolves.toBeUndefined();
    });

    it('returns a message at once when its lease is given back', async () => {
      const { queue } = await setup();
      await queue.send([message()]);

      await queue.changeLease([await leaseOne(queue)], 0);

      expect(await leaseOne(queue)).toMatchObject({ message: message(), receiveCount: 2 });
    });

    it('keeps a message hidden as long as its lease was made longer', async () => {
      const { queue, elapse } = await setup();
      await queue.send([message()]);

      await queue.changeLease([await leaseOne(queue, 1)], LEASE_SECONDS);
      await elapse(1.2);

      expect((await receiveNow(queue)).leases).toEqual([]);
    });

    it('takes the change of a lease that is over for no error', async () => {
      const { queue } = await setup();
      await queue.send([message()]);
      const lease = await leaseOne(queue);
      await queue.acknowledge([lease]);

      await expect(queue.changeLease([lease], 0)).resolves.toBeUndefined();
    });

    it('gives back a lease of its own among those of another queue, which stay as they are', async () => {
      const [{ queue }, { queue: other }] = [await setup(), await setup()];
      await Promise.all([queue, other].map((each) => each.send([message()])));
      const [own, foreign] = [await leaseOne(queue), await leaseOne(other)];

      await queue.changeLease([foreign, own], 0);

      expect(await leaseOne(queue)).toMatchObject({ receiveCount: 2 });
      expect((await receiveNow(other)).leases).toEqual([]);
    });

    it('sends 25 messages in one call, and acknowledges them in one', async () => {
      const setUp = await setup();
      const { queue } = setUp;
      const sent = Array.from({ length: 25 }, (_, index) => message(index));

      await queue.send(sent);
      const leases = await leaseAll(queue, 25);
      await queue.acknowledge(leases);

      const ids = leases.map((lease) => lease.message.taskId);
      expect(ids.sort()).toEqual(sent.map((each) => each.taskId).sort());
      expect(new Set(leases.map((lease) => lease.leaseId)).size).toBe(25);
      expect(await depthOf(setUp)).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
    });

    it('sends what together is more than one call can carry', async () => {
      const { queue } = await setup();
      const big = 'x'.repeat(200_000);
      const sent = Array.from({ length: 10 }, (_, index) => message(index, { input: big }));

      await queue.send(sent);

      expect(await leaseAll(queue, 10)).toHaveLength(10);
    });

    it('takes nothing to send, acknowledge or change for no error', async () => {
      const { queue } = await setup();

      await expect(
        Promise.all([queue.send([]), queue.acknowledge([]), queue.changeLease([], 0)]),
      ).resolves.toBeTruthy();
    });

    it('hands out no more than it was asked for', async () => {
      const { queue } = await setup();
      await queue.send([0, 1, 2].map((index) => message(index)));

      const { leases } = await queue.receive({ maxMessages: 2, waitSeconds: 1, leaseSeconds: LEASE_SECONDS });

      expect(leases.length).toBeGreaterThan(0);
      expect(leases.length).toBeLessThanOrEqual(2);
    });

    it('counts what waits and what is leased', async () => {
      const setUp = await setup();
      const { queue } = setUp;
      await queue.send([0, 1, 2].map((index) => message(index)));
      await queue.receive({ maxMessages: 1, waitSeconds: 1, leaseSeconds: LEASE_SECONDS });

      expect(await depthOf(setUp)).toEqual({ visible: 2, inFlight: 1, delayed: 0 });
    });

    it.each([
      ['an emoji', '🐟'],
      ['U+FFFE', 'a\ufffeb'],
      ['U+FFFF', '\uffff'],
      ['a lone high surrogate', 'a\ud800b'],
      ['a lone low surrogate', '\udc00'],
      ['control characters', '\0\x01\x1f\x7f\u0085\u2028'],
      ['a key called __proto__', JSON.parse('{"__proto__":{"a":1}}')],
      ['null', null],
      ['false', false],
    ])('carries %s in an input unchanged (lesson 46)', async (_what, input) => {
      const { queue } = await setup();
      await queue.send([message(0, { input }), message(1)]);

      const leases = await leaseAll(queue, 2);

      const inputs = leases.filter((lease) => lease.message.taskId === taskIdFactory(0));
      expect(inputs.map((lease) => JSON.stringify(lease.message.input))).toEqual([JSON.stringify(input)]);
    });

    it.each([
      ['no JSON', 'not json'],
      ['an incomplete message', '{"v":1}'],
      ['a message of another version', JSON.stringify({ ...message(), v: 2 })],
    ])('reports a body that is %s, and still hands out the rest (lesson 4)', async (_what, body) => {
      const { queue, sendRaw } = await setup();
      await sendRaw(body);
      await queue.send([message()]);

      const received = [await receiveUntilUnreadable(queue), await receiveNow(queue)];

      const unreadable = received.flatMap((each) => each.unreadable);
      expect(unreadable).toEqual([{ receiptHandle: expect.any(String), receiveCount: 1, reason: expect.any(String) }]);
      expect(unreadable[0]?.reason).not.toBe('');
      expect(received.flatMap((each) => each.leases)).toHaveLength(1);
    });

    it('lets an unreadable message be acknowledged', async () => {
      const setUp = await setup();
      const { queue, sendRaw } = setUp;
      await sendRaw('not json');

      await queue.acknowledge((await receiveUntilUnreadable(queue)).unreadable);

      expect(await depthOf(setUp)).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
    });

    it('never hands one message to two receivers at the same time', async () => {
      const { queue } = await setup();
      await queue.send(Array.from({ length: 20 }, (_, index) => message(index)));

      const received = await Promise.all(Array.from({ length: 8 }, () => receiveNow(queue)));

      const ids = received.flatMap((each) => each.leases).map((lease) => lease.message.taskId);
      expect(new Set(ids).size).toBe(ids.length);
    });
  });
}

/** Receives until the unreadable message came; leases that came with it are returned too. */
async function receiveUntilUnreadable(queue: TaskQueue): ReturnType<TaskQueue['receive']> {
  const leases: Lease[] = [];
  for (let tries = 0; tries < 10; tries += 1) {
    const received = await queue.receive({ maxMessages: 10, waitSeconds: 1, leaseSeconds: LEASE_SECONDS });
    leases.push(...received.leases);
    if (received.unreadable.length) return { leases, unreadable: received.unreadable };
  }
  return { leases, unreadable: [] };
}
