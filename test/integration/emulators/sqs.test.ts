import * as sqs from '@aws-sdk/client-sqs';
import { describe, expect, it, vi } from 'vitest';
import {
  attributes,
  bodies,
  changeVisibility,
  client,
  counts,
  createQueue,
  receive,
  remove,
  send,
  useSqs,
} from './sqs-fixture.ts';

useSqs();

describe.concurrent('SQS', () => {
  it('delivers a message once per lease and forgets it on delete', async () => {
    const queue = await createQueue();
    await send(queue, 'héllo 😀');
    const [message] = await receive(queue, { MessageSystemAttributeNames: ['All'] });
    expect(message?.Body).toBe('héllo 😀');
    expect(message?.Attributes?.ApproximateReceiveCount).toBe('1');
    expect(await receive(queue)).toEqual([]);
    await remove(queue, message?.ReceiptHandle);
    expect(await counts(queue)).toBe('0/0/0');
  });

  it('counts visible, in flight and delayed messages', async () => {
    const queue = await createQueue();
    for (let index = 0; index < 7; index += 1) await send(queue, `${index}`, index > 4 ? { DelaySeconds: 60 } : {});
    await receive(queue, { MaxNumberOfMessages: 2 });
    expect(await counts(queue)).toBe('3/2/2');
  });

  it('counts a lapsed lease as visible although nobody receives', async () => {
    const queue = await createQueue();
    await send(queue, 'lapses');
    await receive(queue, { VisibilityTimeout: 1 });
    expect(await counts(queue)).toBe('0/1/0');
    await vi.waitFor(async () => expect(await counts(queue)).toBe('1/0/0'), { timeout: 3000, interval: 50 });
  });

  it('wakes one long poll with a whole batch, and leaves the others waiting', async () => {
    const queue = await createQueue();
    const polls = [1, 2].map(() => receive(queue, { WaitTimeSeconds: 2 }));
    const Entries = ['a', 'b', 'c'].map((body) => ({ Id: body, MessageBody: body }));
    const startedAt = performance.now();
    await client.send(new sqs.SendMessageBatchCommand({ QueueUrl: queue, Entries }));
    expect(bodies(await Promise.race(polls))).toEqual(['a', 'b', 'c']);
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect((await Promise.all(polls)).map((messages) => messages.length).sort()).toEqual([0, 3]);
    expect(performance.now() - startedAt).toBeGreaterThan(1500);
  });

  it('wakes a long poll when a delay ends and when a lease lapses', async () => {
    const queue = await createQueue();
    const startedAt = performance.now();
    await send(queue, 'late', { DelaySeconds: 1 });
    expect(await counts(queue)).toBe('0/0/1');
    expect(bodies(await receive(queue, { WaitTimeSeconds: 10, VisibilityTimeout: 1 }))).toEqual(['late']);
    expect(bodies(await receive(queue, { WaitTimeSeconds: 10 }))).toEqual(['late']);
    expect(performance.now() - startedAt).toBeGreaterThan(1900);
    expect(performance.now() - startedAt).toBeLessThan(4000);
  });

  it('hands nothing to a long poll whose caller is gone', async () => {
    const queue = await createQueue();
    const gone = new AbortController();
    const poll = receive(queue, { WaitTimeSeconds: 20 }, gone.signal).catch((error: Error) => error.name);
    // Round trips on other connections give the poll, and then its end, the time to reach the server.
    await counts(await createQueue());
    gone.abort();
    expect(await poll).toBe('AbortError');
    await counts(queue);
    await send(queue, 'kept');
    expect(bodies(await receive(queue))).toEqual(['kept']);
  });

  it('takes the lease from the receive call, changes it, and gives a message back at once by 0', async () => {
    const queue = await createQueue({ VisibilityTimeout: '1' });
    await send(queue, 'm');
    const [first] = await receive(queue, { VisibilityTimeout: 600 });
    await changeVisibility(queue, first?.ReceiptHandle, 900);
    await changeVisibility(queue, first?.ReceiptHandle, 0);
    expect(await counts(queue)).toBe('1/0/0');
    const [second] = await receive(queue, { MessageSystemAttributeNames: ['ApproximateReceiveCount'] });
    expect(second?.Attributes).toEqual({ ApproximateReceiveCount: '2' });
  });

  it('refuses to change a lease that is over, and one that would outlast twelve hours', async () => {
    const queue = await createQueue();
    await send(queue, 'm');
    const [message] = await receive(queue, { VisibilityTimeout: 0 });
    await expect(changeVisibility(queue, message?.ReceiptHandle, 5)).rejects.toThrow(/not available for visibility/);
    await expect(changeVisibility(queue, message?.ReceiptHandle, 43_201)).rejects.toThrow(/VisibilityTimeout/);
  });

  it('ignores a delete by an older receipt handle and refuses one that it never gave out', async () => {
    const queue = await createQueue();
    await send(queue, 'm');
    const [older] = await receive(queue, { VisibilityTimeout: 0 });
    const [newer] = await receive(queue, { WaitTimeSeconds: 1 });
    expect(newer?.ReceiptHandle).not.toBe(older?.ReceiptHandle);
    await remove(queue, older?.ReceiptHandle);
    expect(await counts(queue)).toBe('0/1/0');
    await expect(remove(queue, 'bogus')).rejects.toMatchObject({ name: 'ReceiptHandleIsInvalid' });
    await remove(queue, newer?.ReceiptHandle);
    expect(await counts(queue)).toBe('0/0/0');
  });

  it('moves a message to the dead-letter queue instead of delivering it once too often', async () => {
    const deadLetters = await createQueue();
    const { QueueArn: deadLetterTargetArn } = await attributes(deadLetters);
    const queue = await createQueue({ RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 }) });
    const { MessageId } = await send(queue, 'poison');
    expect(await receive(queue, { VisibilityTimeout: 0 })).toHaveLength(1);
    expect(await receive(queue, { VisibilityTimeout: 0, WaitTimeSeconds: 1 })).toHaveLength(1);
    expect(await counts(queue)).toBe('1/0/0');
    expect(await receive(queue)).toEqual([]);
    expect(await counts(queue)).toBe('0/0/0');
    const [dead] = await receive(deadLetters, { MessageSystemAttributeNames: ['All'] });
    expect(dead).toMatchObject({ MessageId, Body: 'poison', Attributes: { ApproximateReceiveCount: '3' } });
    expect(dead?.Attributes?.DeadLetterQueueSourceArn).toBe((await attributes(queue))['QueueArn']);
  });

  it('lets only the wrong entries of a batch fail', async () => {
    const queue = await createQueue();
    const batch = [
      { Id: 'good', MessageBody: 'a' },
      { Id: 'late', MessageBody: 'b', DelaySeconds: 901 },
      { Id: 'control', MessageBody: 'c\u0000' },
    ];
    const sent = await client.send(new sqs.SendMessageBatchCommand({ QueueUrl: queue, Entries: batch }));
    expect(sent.Successful?.map((entry) => entry.Id)).toEqual(['good']);
    expect(sent.Failed?.map((entry) => [entry.Id, entry.Code, entry.SenderFault])).toEqual([
      ['late', 'InvalidParameterValue', true],
      ['control', 'InvalidMessageContents', true],
    ]);
    const [message] = await receive(queue);
    const handles = [message?.ReceiptHandle, 'bogus'].map((ReceiptHandle, index) => ({
      Id: `${index}`,
      ReceiptHandle,
    }));
    const changes = handles.map((entry) => ({ ...entry, VisibilityTimeout: 60 }));
    const changed = await client.send(
      new sqs.ChangeMessageVisibilityBatchCommand({ QueueUrl: queue, Entries: changes }),
    );
    const deleted = await client.send(new sqs.DeleteMessageBatchCommand({ QueueUrl: queue, Entries: handles }));
    for (const result of [changed, deleted]) {
      expect(result.Successful?.map((entry) => entry.Id)).toEqual(['0']);
      expect(result.Failed?.map((entry) => entry.Code)).toEqual(['ReceiptHandleIsInvalid']);
    }
  });

  it('refuses malformed batches as a whole', async () => {
    const QueueUrl = await createQueue();
    const sendBatch = (ids: string[], MessageBody = 'x') =>
      client.send(new sqs.SendMessageBatchCommand({ QueueUrl, Entries: ids.map((Id) => ({ Id, MessageBody })) }));
    const eleven = Array.from({ length: 11 }, (_, index) => `${index}`);
    await expect(sendBatch([])).rejects.toMatchObject({ name: 'EmptyBatchRequest' });
    await expect(sendBatch(eleven)).rejects.toMatchObject({ name: 'TooManyEntriesInBatchRequest' });
    await expect(sendBatch(['a', 'a'])).rejects.toMatchObject({ name: 'BatchEntryIdsNotDistinct' });
    await expect(sendBatch(['a b'])).rejects.toMatchObject({ name: 'InvalidBatchEntryId' });
    await expect(sendBatch(['a', 'b'], 'x'.repeat(600_000))).rejects.toMatchObject({ name: 'BatchRequestTooLong' });
    expect(await counts(QueueUrl)).toBe('0/0/0');
  });

  it('carries 1 MiB, and not a byte more', async () => {
    const queue = await createQueue();
    const body = 'x'.repeat(1_048_576);
    await send(queue, body);
    expect((await receive(queue))[0]?.Body).toHaveLength(body.length);
    await expect(send(queue, `${body}y`)).rejects.toMatchObject({ name: 'InvalidParameterValue' });
  });

  it('gives back trace header, group and message attributes to those who ask', async () => {
    const queue = await createQueue();
    await send(queue, 'm', {
      MessageGroupId: 'tenant',
      MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: 'Root=1-2-3' } },
      MessageAttributes: {
        n: { DataType: 'Number', StringValue: '3' },
        b: { DataType: 'Binary', BinaryValue: Buffer.from('hi') },
      },
    });
    const [plain] = await receive(queue, { VisibilityTimeout: 0 });
    expect(plain).not.toHaveProperty('Attributes');
    expect(plain).not.toHaveProperty('MessageAttributes');
    const [full] = await receive(queue, { MessageSystemAttributeNames: ['All'], MessageAttributeNames: ['All'] });
    expect(full?.Attributes).toMatchObject({ MessageGroupId: 'tenant', AWSTraceHeader: 'Root=1-2-3' });
    expect(full?.MessageAttributes?.['n']?.StringValue).toBe('3');
    expect(Buffer.from(full?.MessageAttributes?.['b']?.BinaryValue ?? []).toString()).toBe('hi');
  });

  it('serves message groups in turns, so that a small one does not wait behind a large one', async () => {
    const queue = await createQueue();
    const Entries = Array.from({ length: 10 }, (_, index) => ({
      Id: `${index}`,
      MessageBody: 'large',
      MessageGroupId: 'large',
    }));
    await client.send(new sqs.SendMessageBatchCommand({ QueueUrl: queue, Entries }));
    await send(queue, 'small', { MessageGroupId: 'small' });
    expect(bodies(await receive(queue, { MaxNumberOfMessages: 2 }))).toEqual(['large', 'small']);
  });

  it('has queues that can be found, listed, changed, purged and deleted', async () => {
    const queue = await createQueue({ VisibilityTimeout: '7' });
    const QueueName = queue.slice(queue.lastIndexOf('/') + 1);
    const found = await client.send(new sqs.GetQueueUrlCommand({ QueueName }));
    expect(found.QueueUrl).toBe(queue);
    const listed = await client.send(new sqs.ListQueuesCommand({ QueueNamePrefix: QueueName }));
    expect(listed.QueueUrls).toContain(queue);
    const same = new sqs.CreateQueueCommand({ QueueName, Attributes: { VisibilityTimeout: '7' } });
    expect((await client.send(same)).QueueUrl).toBe(queue);
    const other = new sqs.CreateQueueCommand({ QueueName, Attributes: { VisibilityTimeout: '8' } });
    await expect(client.send(other)).rejects.toMatchObject({ name: 'QueueNameExists' });
    await client.send(new sqs.SetQueueAttributesCommand({ QueueUrl: queue, Attributes: { VisibilityTimeout: '9' } }));
    expect(await attributes(queue)).toMatchObject({ VisibilityTimeout: '9' });
    await send(queue, 'm');
    await client.send(new sqs.PurgeQueueCommand({ QueueUrl: queue }));
    expect(await counts(queue)).toBe('0/0/0');
    await client.send(new sqs.DeleteQueueCommand({ QueueUrl: queue }));
    await expect(send(queue, 'm')).rejects.toBeInstanceOf(sqs.QueueDoesNotExist);
  });

  it('refuses settings and requests outside of SQS bounds', async () => {
    const queue = await createQueue();
    await expect(createQueue({ VisibilityTimeout: '99999' })).rejects.toMatchObject({ name: 'InvalidAttributeValue' });
    await expect(createQueue({ Bogus: '1' })).rejects.toMatchObject({ name: 'InvalidAttributeName' });
    await expect(createQueue({ FifoQueue: 'true' })).rejects.toMatchObject({ name: 'UnsupportedOperation' });
    await expect(receive(queue, { MaxNumberOfMessages: 11 })).rejects.toMatchObject({ name: 'InvalidParameterValue' });
    await expect(receive(queue, { WaitTimeSeconds: 21 })).rejects.toMatchObject({ name: 'InvalidParameterValue' });
  });

  it('loses no message and delivers none twice among many senders and receivers', async () => {
    const queue = await createQueue();
    const total = 1000;
    const senders = Array.from({ length: total / 10 }, (_, batch) => {
      const Entries = Array.from({ length: 10 }, (_, index) => ({
        Id: `${index}`,
        MessageBody: `${batch * 10 + index}`,
      }));
      return client.send(new sqs.SendMessageBatchCommand({ QueueUrl: queue, Entries }));
    });
    const seen: string[] = [];
    const drain = async () => {
      while (seen.length < total) {
        const messages = await receive(queue, { WaitTimeSeconds: 1 });
        seen.push(...messages.map((message) => message.Body ?? ''));
        const Entries = messages.map(({ ReceiptHandle }, index) => ({ Id: `${index}`, ReceiptHandle }));
        if (messages.length > 0) await client.send(new sqs.DeleteMessageBatchCommand({ QueueUrl: queue, Entries }));
      }
    };
    await Promise.all([...senders, ...Array.from({ length: 6 }, drain)]);
    expect(new Set(seen).size).toBe(total);
    expect(seen).toHaveLength(total);
    expect(await counts(queue)).toBe('0/0/0');
  });
});
