/** The emulated Service Bus before the real client of AMQP, which a bridge uses. */
import { type ServiceBusClient as AmqpClient, isServiceBusError, ServiceBusClient } from '@azure/service-bus';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ServiceBusTaskQueue } from '../../../adapters/azure/service-bus-task-queue.ts';
import { useServiceBus } from '../../clouds/azure/use-azure.ts';
import { taskMessageFactory } from '../../factories/task-message.ts';
import { VirtualClock } from '../../factories/virtual-clock.ts';

const clock = new VirtualClock();
const bus = useServiceBus({ clock });
let client: AmqpClient;
let queues = 0;
beforeAll(() => {
  client = new ServiceBusClient(bus().connectionString, { retryOptions: { maxRetries: 0, timeoutInMs: 5_000 } });
});
afterAll(() => client.close());

const BRIEFLY = { maxWaitTimeInMs: 60 };

function setup(settings: { maxDeliveryCount?: number } = {}) {
  queues += 1;
  const stored = bus().broker.create(`amqp-${queues}`, { lockSeconds: 60, maxDeliveryCount: 10, ...settings });
  const receiver = client.createReceiver(stored.name, { maxAutoLockRenewalDurationInMs: 0 });
  const receiveOne = async (from = receiver) => {
    const [message] = await from.receiveMessages(1, { maxWaitTimeInMs: 5_000 });
    if (!message) throw new Error('no message came');
    return message;
  };
  return { stored, sender: client.createSender(stored.name), receiver, receiveOne };
}
const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'no error',
    (error: unknown) => (isServiceBusError(error) ? error.code : String(error)),
  );

it('hands out what was sent, one and in a batch, and removes what is completed', async () => {
  const { sender, receiver, stored } = setup();
  await sender.sendMessages({ body: { task: 1 }, messageId: 'm1', applicationProperties: { kind: 'demo' } });
  const batch = await sender.createMessageBatch();
  for (const task of [2, 3]) batch.tryAddMessage({ body: { task } });
  await sender.sendMessages(batch);

  const messages = await receiver.receiveMessages(3, { maxWaitTimeInMs: 5_000 });
  for (const message of messages) await receiver.completeMessage(message);

  expect(messages.map((message) => message.body.task)).toEqual([1, 2, 3]);
  expect(messages[0]).toMatchObject({ messageId: 'm1', applicationProperties: { kind: 'demo' }, deliveryCount: 0 });
  expect(stored.counts().active).toBe(0);
  expect(await receiver.receiveMessages(1, BRIEFLY)).toEqual([]);
});

it('hands an abandoned message out again, and counts', async () => {
  const { sender, receiver, receiveOne } = setup();
  await sender.sendMessages({ body: 'again' });

  await receiver.abandonMessage(await receiveOne());

  expect(await receiveOne()).toMatchObject({ body: 'again', deliveryCount: 1 });
});

it('keeps a message locked as long as its lock is renewed, and no longer: MessageLockLost', async () => {
  const { sender, receiver, receiveOne } = setup();
  await sender.sendMessages({ body: 'long' });
  const message = await receiveOne();

  await clock.advance(40);
  const until = await receiver.renewMessageLock(message);
  await clock.advance(40);
  const meanwhile = await receiver.receiveMessages(1, BRIEFLY);
  await clock.advance(21);
  const again = await receiveOne();

  expect(until.getTime()).toBe(clock.now().getTime() - 61_000 + 60_000);
  expect(meanwhile).toEqual([]);
  expect(again.deliveryCount).toBe(1);
  expect(await codeOf(receiver.renewMessageLock(message))).toBe('MessageLockLost');
  expect(await codeOf(receiver.completeMessage(message))).toBe('MessageLockLost');
  await receiver.completeMessage(again);
});

it('moves a message to the dead letters, by hand and after too many deliveries', async () => {
  const { sender, receiver, receiveOne, stored } = setup({ maxDeliveryCount: 2 });
  const deadLetters = client.createReceiver(stored.name, { subQueueType: 'deadLetter' });
  await sender.sendMessages({ body: 'poison' });
  await receiver.deadLetterMessage(await receiveOne(), { deadLetterReason: 'Poison', deadLetterErrorDescription: 'x' });
  await sender.sendMessages({ body: 'unlucky' });
  for (let deliveries = 0; deliveries < 2; deliveries += 1) await receiver.abandonMessage(await receiveOne());

  const letters = [await receiveOne(deadLetters), await receiveOne(deadLetters)];
  for (const letter of letters) await deadLetters.completeMessage(letter);

  expect(letters).toMatchObject([
    { body: 'poison', deadLetterReason: 'Poison', deadLetterErrorDescription: 'x' },
    { body: 'unlucky', deadLetterReason: 'MaxDeliveryCountExceeded' },
  ]);
  expect(stored.counts()).toMatchObject({ active: 0, deadLetters: 0 });
});

it('holds a scheduled message back until its time', async () => {
  const { sender, receiver, receiveOne, stored } = setup();
  await sender.scheduleMessages({ body: 'later' }, new Date(clock.now().getTime() + 90_000));

  expect(stored.counts()).toMatchObject({ active: 0, scheduled: 1 });
  expect(await receiver.receiveMessages(1, BRIEFLY)).toEqual([]);
  await clock.advance(91);
  expect((await receiveOne()).body).toBe('later');
});

it('shows what waits without taking it, and hands messages to a subscriber', async () => {
  const { sender, receiver, stored } = setup();
  await sender.sendMessages({ body: 'seen' });

  const peeked = await receiver.peekMessages(5);
  const body = await new Promise((resolve, reject) => {
    receiver.subscribe({
      processMessage: async (message) => resolve(message.body),
      processError: async ({ error }) => reject(error),
    });
  });

  expect([...peeked.map((message) => message.body), body]).toEqual(['seen', 'seen']);
  await expect.poll(() => stored.counts().active).toBe(0);
});

it('says of a queue that does not exist that it does not', async () => {
  const missing = client.createReceiver('nowhere').receiveMessages(1, BRIEFLY);

  expect(await codeOf(missing)).toBe('MessagingEntityNotFound');
});

it('is the same queue over REST: what one sends the other receives', async () => {
  const { stored, receiver, receiveOne } = setup();
  const queue = new ServiceBusTaskQueue({ queueUrl: `${bus().restUrl}/${stored.name}`, token: null, clock });
  await queue.send([taskMessageFactory()]);

  const message = await receiveOne();
  await receiver.abandonMessage(message);
  const { leases } = await queue.receive({ maxMessages: 1, waitSeconds: 1, leaseSeconds: 30 });

  expect(message.body).toEqual(taskMessageFactory());
  // The first delivery is 0 in AMQP and 1 in REST.
  expect([message.deliveryCount, leases[0]?.receiveCount]).toEqual([0, 2]);
  queue.renewal.stop();
});
