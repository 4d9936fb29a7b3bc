/** An SQS emulator and the calls that its tests share. */
import * as sqs from '@aws-sdk/client-sqs';
import { afterAll, beforeAll } from 'vitest';
import { startSqs } from '../../../local/emulators/sqs/start-sqs.ts';
import { clientConfig } from './client-config.ts';

let queueNumber = 0;

export let client: sqs.SQSClient;

/** Starts one for the tests of a file. */
export function useSqs(): void {
  let server: Awaited<ReturnType<typeof startSqs>>;
  beforeAll(async () => {
    server = await startSqs({ port: 0, region: 'us-east-1' });
    client = new sqs.SQSClient(clientConfig(server.url));
  });
  afterAll(async () => {
    client.destroy();
    await server.stop();
  });
}

/** A queue of its own for one test. */
export async function createQueue(Attributes: Record<string, string> = {}): Promise<string> {
  queueNumber += 1;
  const { QueueUrl } = await client.send(new sqs.CreateQueueCommand({ QueueName: `queue-${queueNumber}`, Attributes }));
  return QueueUrl!;
}

export const send = (QueueUrl: string, MessageBody: string, more: Partial<sqs.SendMessageCommandInput> = {}) =>
  client.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody, ...more }));

export async function receive(
  QueueUrl: string,
  more: Partial<sqs.ReceiveMessageCommandInput> = {},
  abortSignal?: AbortSignal,
) {
  const command = new sqs.ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, ...more });
  return (await client.send(command, abortSignal ? { abortSignal } : {})).Messages ?? [];
}

export const remove = (QueueUrl: string, ReceiptHandle: string | undefined) =>
  client.send(new sqs.DeleteMessageCommand({ QueueUrl, ReceiptHandle }));

export const changeVisibility = (QueueUrl: string, ReceiptHandle: string | undefined, VisibilityTimeout: number) =>
  client.send(new sqs.ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }));

export async function attributes(QueueUrl: string): Promise<Record<string, string>> {
  const command = new sqs.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] });
  return (await client.send(command)).Attributes ?? {};
}

/** Visible, in flight, delayed. */
export async function counts(queueUrl: string): Promise<string> {
  const all = await attributes(queueUrl);
  const names = ['', 'NotVisible', 'Delayed'].map((suffix) => `ApproximateNumberOfMessages${suffix}`);
  return names.map((name) => all[name]).join('/');
}

export const bodies = (messages: readonly sqs.Message[]) => messages.map((message) => message.Body);
