/** What Service Bus does to a lease: locks that end before their task, workers that die, answers that are lost. */
import { describe, expect, it } from 'vitest';
import { ServiceBusTaskQueue, serviceBusTaskQueues } from '../../../adapters/azure/service-bus-task-queue.ts';
import { NotFoundError, PermanentError, TransientError } from '../../../core/errors.ts';
import { taskQueueName } from '../../../core/ids.ts';
import { useServiceBus } from '../../clouds/azure/use-azure.ts';
import { taskIdFactory } from '../../factories/ids.ts';
import { taskMessageFactory } from '../../factories/task-message.ts';
import { VirtualClock } from '../../factories/virtual-clock.ts';

const LOCK_SECONDS = 60;
const MINUTE = 60;

const clock = new VirtualClock();
const bus = useServiceBus({ clock });
let queues = 0;

/** A queue, and workers on it: each a process of its own. */
function setup(settings: { maxDeliveryCount?: number } = {}) {
  queues += 1;
  bus().faults.set();
  const stored = bus().broker.create(`tasks-${queues}`, {
    lockSeconds: LOCK_SECONDS,
    maxDeliveryCount: 6,
    ...settings,
  });
  const queueUrl = `${bus().restUrl}/${stored.name}`;
  const workers: ServiceBusTaskQueue[] = [];
  const worker = (): ServiceBusTaskQueue => {
    const queue = new ServiceBusTaskQueue({ queueUrl, token: null, clock });
    workers.push(queue);
    return queue;
  };
  const elapse = (seconds: number): Promise<void> =>
    clock.advance(seconds, () => Promise.all(workers.map(({ renewal }) => renewal.idle())));
  return { stored, worker, elapse };
}

const message = (index = 0) => taskMessageFactory({ taskId: taskIdFactory(index) });
const receive = (queue: ServiceBusTaskQueue, leaseSeconds = 300, maxMessages = 10) =>
  queue.receive({ maxMessages, waitSeconds: 0, leaseSeconds });

describe('a task that takes longer than Service Bus locks a message', () => {
  it('runs once: nobody else gets it in its 40 minutes, nor after it (lesson 8)', async () => {
    const { worker, elapse, stored } = setup();
    const [busy, other] = [worker(), worker()];
    await busy.send([message()]);
    const { leases } = await receive(busy, 45 * MINUTE);

    const seen = [];
    for (let minutes = 0; minutes < 40; minutes += 1) {
      await elapse(MINUTE);
      seen.push(...(await receive(other)).leases);
    }
    await busy.acknowledge(leases);
    await elapse(10 * MINUTE);
    seen.push(...(await receive(other)).leases);

    expect(leases).toHaveLength(1);
    expect(seen).toEqual([]);
    expect(stored.counts()).toMatchObject({ active: 0, deadLetters: 0 });
    // Every half lock, and not once more than its 40 minutes take.
    expect(bus().calls.get('renew')).toBeLessThanOrEqual(81);
    expect(clock.pending).toBe(0);
  });

  it('keeps its lease through a minute in which every renewal fails now and then', async () => {
    const { worker, elapse } = setup();
    const [busy, other] = [worker(), worker()];
    await busy.send([message()]);
    await receive(busy, 20 * MINUTE);
    bus().faults.set({ kind: 'throttle', operations: ['renew'], times: 9 });

    await elapse(10 * MINUTE);

    expect(bus().faults.struck).toEqual([9]);
    expect((await receive(other)).leases).toEqual([]);
  });

  it('returns when its lease ends, although its lock would still be renewed', async () => {
    const { worker, elapse } = setup();
    const [slow, other] = [worker(), worker()];
    await slow.send([message()]);
    await receive(slow, 10 * MINUTE);

    await elapse(10 * MINUTE - 1);
    const before = await receive(other);
    await elapse(1);

    expect(before.leases).toEqual([]);
    expect((await receive(other)).leases).toMatchObject([{ receiveCount: 2 }]);
  });
});

describe('a worker that is killed', () => {
  it('holds its task for no longer than one lock, however long its lease was', async () => {
    const { worker, elapse } = setup();
    const [killed, other] = [worker(), worker()];
    await killed.send([message()]);
    await receive(killed, 12 * 60 * MINUTE);
    await elapse(15 * MINUTE);

    killed.renewal.stop();
    await elapse(LOCK_SECONDS);

    expect((await receive(other)).leases).toMatchObject([{ receiveCount: 2, message: message() }]);
  });

  it('has its task taken from it by its handle, at once, by somebody else', async () => {
    const { worker } = setup();
    const [killed, scaler, other] = [worker(), worker(), worker()];
    await killed.send([message()]);
    const { leases } = await receive(killed, 60 * MINUTE);

    await scaler.changeLease(leases, 0);

    expect((await receive(other)).leases).toHaveLength(1);
  });

  it('drifts into the dead letters with a task that kills every worker', async () => {
    const { worker, elapse, stored } = setup({ maxDeliveryCount: 3 });
    await worker().send([message()]);

    const counts: number[] = [];
    for (let deaths = 0; deaths < 4; deaths += 1) {
      const victim = worker();
      counts.push(...(await receive(victim)).leases.map((lease) => lease.receiveCount));
      victim.renewal.stop();
      await elapse(LOCK_SECONDS);
    }

    expect(counts).toEqual([1, 2, 3]);
    expect(stored.deadLetters?.peek(1, 10)).toMatchObject([
      { properties: { DeadLetterReason: 'MaxDeliveryCountExceeded' } },
    ]);
  });
});

it('renews nothing more once all queues are stopped', async () => {
  const { elapse } = setup();
  const queueUrlPrefix = `${bus().restUrl}/`;
  const queues = serviceBusTaskQueues({ queueUrlPrefix, stage: 'test', token: null, clock });
  bus().broker.create(taskQueueName('default', 'low', 'test'), { lockSeconds: LOCK_SECONDS });
  const queue = queues('default', 'low');
  await queue.send([message()]);
  await queue.receive({ maxMessages: 1, waitSeconds: 0, leaseSeconds: 60 * MINUTE });

  queues.stop();

  expect(clock.pending).toBe(0);
  await elapse(LOCK_SECONDS);
  expect((await queue.receive({ maxMessages: 1, waitSeconds: 0, leaseSeconds: 1 })).leases).toHaveLength(1);
  queues.stop();
});

describe('an answer that is lost', () => {
  it('to a receive: the message comes again when its lock has ended', async () => {
    const { worker, elapse } = setup();
    const queue = worker();
    await queue.send([message()]);
    bus().faults.set({ kind: 'lost-response', operations: ['receive'], times: 1 });

    const first = await receive(queue);
    await elapse(LOCK_SECONDS);

    expect(first.leases).toEqual([]);
    expect((await receive(queue)).leases).toMatchObject([{ receiveCount: 2 }]);
  });

  it('to a send: the message may be there twice, and is there at least once', async () => {
    const { worker, stored } = setup();
    bus().faults.set({ kind: 'lost-response', operations: ['send'], times: 1 });

    await worker().send([message()]);

    expect(stored.counts().active).toBe(2);
  });

  it('to an acknowledgement: it is said again, and is no error', async () => {
    const { worker, stored } = setup();
    const queue = worker();
    await queue.send([message()]);
    const { leases } = await receive(queue);
    bus().faults.set({ kind: 'lost-response', operations: ['settle'], times: 1 });

    await queue.acknowledge(leases);

    expect(stored.counts().active).toBe(0);
  });

  it('to the second of several receives: what came before it is handed out all the same', async () => {
    const { worker } = setup();
    const queue = worker();
    await queue.send([0, 1, 2].map(message));
    bus().faults.set({ kind: 'down', operations: ['receive'], every: 2 });

    expect((await receive(queue)).leases.length).toBeGreaterThan(0);
  });
});

describe('a service that does not answer', () => {
  it('fails every call as transient, after some tries', async () => {
    const { worker } = setup();
    const queue = worker();
    bus().faults.set({ kind: 'down' });

    const calls = [
      queue.send([message()]),
      receive(queue),
      queue.acknowledge([{ receiptHandle: '1/a' }]),
      queue.depth(),
    ];
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({ status: 'rejected', reason: expect.any(TransientError) });
    }
    expect(bus().faults.struck[0]).toBeGreaterThanOrEqual(4 * 3);
  });

  it('says of a queue that does not exist that it does not, and does not try again', async () => {
    bus().faults.set();
    const queue = new ServiceBusTaskQueue({ queueUrl: `${bus().restUrl}/nowhere`, token: null, clock });
    const before = bus().calls.get('send') ?? 0;

    await expect(queue.send([message()])).rejects.toThrow(NotFoundError);
    await expect(receive(queue)).rejects.toThrow(NotFoundError);
    await expect(queue.depth()).rejects.toThrow(NotFoundError);
    expect(bus().calls.get('send')).toBe(before + 1);
  });
});

it('sends the token to no other address than the queue’s, whatever a machine calls its receipt', async () => {
  const { worker } = setup();
  const before = bus().calls.get('settle') ?? 0;

  for (const receiptHandle of ['https://evil.example/1/a', '../other/messages/1/a', '1/a?x', '', '1', '1/2/3']) {
    await expect(worker().changeLease([{ receiptHandle }], 0)).rejects.toThrow(PermanentError);
  }
  expect(bus().calls.get('settle') ?? 0).toBe(before);
});

it('receives ten messages with about as many requests, and asks an empty queue once', async () => {
  const { worker } = setup();
  const queue = worker();
  await queue.send(Array.from({ length: 25 }, (_, index) => message(index)));
  const before = bus().calls.get('receive') ?? 0;

  const batches = [await receive(queue), await receive(queue), await receive(queue)];
  const after = bus().calls.get('receive') ?? 0;
  await receive(queue);

  expect(batches.map(({ leases }) => leases.length)).toEqual([10, 10, 5]);
  // At most four at a time are told that nothing is left.
  expect(after - before).toBeLessThanOrEqual(25 + 4);
  expect(bus().calls.get('receive')).toBe(after + 1);
});
