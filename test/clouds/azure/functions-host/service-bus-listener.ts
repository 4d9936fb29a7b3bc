/**
 * A Service Bus trigger as the host runs it ("Azure Service Bus trigger for Azure Functions"), with the real client: a batch
 * is received under locks, completed when the function returns, and given back when it throws.
 */
import type { ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver } from '@azure/service-bus';
import type { HostedFunction, TypedData } from './host-core.ts';

export interface ListenerOptions {
  readonly client: ServiceBusClient;
  readonly hosted: HostedFunction;
  /** `maxMessageBatchSize` of host.json. */
  readonly batchSize: number;
  readonly onError: (error: unknown) => void;
}

const WAIT_MS = 1_000;

/** Listens until the signal. A batch under way is carried to its end. */
export async function listen(
  { client, hosted, batchSize, onError }: ListenerOptions,
  signal: AbortSignal,
): Promise<void> {
  const { queueName = '', dataType, cardinality } = hosted.trigger;
  if (cardinality !== 'many') throw new Error(`${hosted.name}: only batches are known here`);
  const receiver = receiverOf(client, queueName);
  while (!signal.aborted) {
    try {
      const batch = await receiver.receiveMessages(batchSize, { maxWaitTimeInMs: WAIT_MS, abortSignal: signal });
      if (batch.length > 0) await handle(batch, receiver, hosted, dataType === 'binary', onError);
    } catch (error) {
      if (!signal.aborted) onError(error);
    }
  }
  await receiver.close();
}

function receiverOf(client: ServiceBusClient, path: string): ServiceBusReceiver {
  const [, queue = path, sub] = /^(.+?)(\/\$deadletterqueue)?$/i.exec(path) ?? [];
  // The bytes as they came: the client would parse what looks like JSON.
  return client.createReceiver(queue, { ...(sub ? { subQueueType: 'deadLetter' } : {}), skipParsingBodyAsJson: true });
}

async function handle(
  batch: readonly ServiceBusReceivedMessage[],
  receiver: ServiceBusReceiver,
  hosted: HostedFunction,
  asBytes: boolean,
  onError: (error: unknown) => void,
): Promise<void> {
  const bodies = batch.map(({ body }) => (body instanceof Uint8Array ? body : Buffer.from(String(body))));
  const data: TypedData = asBytes
    ? { collectionBytes: { bytes: bodies } }
    : { collectionString: { string: bodies.map((body) => Buffer.from(body).toString()) } };
  const settle = await hosted.invoke(data).then(
    () => (message: ServiceBusReceivedMessage) => receiver.completeMessage(message),
    (error: unknown) => {
      onError(error);
      return (message: ServiceBusReceivedMessage) => receiver.abandonMessage(message);
    },
  );
  // A lock that has run out: the message comes again.
  for (const settled of await Promise.allSettled(batch.map(settle))) {
    if (settled.status === 'rejected') onError(settled.reason);
  }
}
