/**
 * Every adapter of Azure's queues and blobs holds its contract while the service throttles, fails, goes away, and loses answers
 * (lesson 47).
 */
import { AzureBlobStore } from '../../../adapters/azure/azure-blob-store.ts';
import { AzureControlChannel } from '../../../adapters/azure/azure-control-channel.ts';
import { ServiceBusStatusChannel } from '../../../adapters/azure/service-bus-status-channel.ts';
import type { AzureFaults } from '../../clouds/azure/azure-faults.ts';
import { useBlobs, useServiceBus } from '../../clouds/azure/use-azure.ts';
import { describeBlobStoreContract } from '../../contracts/blob-store.ts';
import { describeControlChannelContract } from '../../contracts/control-channel.ts';
import { serviceBusTaskQueueSetup } from '../../contracts/service-bus-task-queue-setup.ts';
import { describeStatusChannelContract } from '../../contracts/status-channel.ts';
import { describeTaskQueueContract } from '../../contracts/task-queue.ts';

/** Those after which the same request may be sent again, and nobody sees it. */
const passing = (faults: AzureFaults): void =>
  faults.set([
    { kind: 'throttle', probability: 0.12 },
    { kind: 'unavailable', probability: 0.08 },
    { kind: 'down', probability: 0.05 },
  ]);

// A message whose delivery was lost, or which was sent twice, comes again: that is told in `service-bus-troubles.test.ts`.
describeTaskQueueContract(
  'Service Bus under faults',
  serviceBusTaskQueueSetup((faults) =>
    faults.set([
      { kind: 'throttle', probability: 0.12 },
      { kind: 'unavailable', probability: 0.08 },
      { kind: 'down', probability: 0.05 },
      { kind: 'lost-response', operations: ['settle', 'renew', 'count'], probability: 0.1 },
    ]),
  ),
);

const bus = useServiceBus({}, passing);
describeStatusChannelContract('Service Bus under faults', async () => {
  const queue = bus().broker.create(`status-${crypto.randomUUID()}`);
  return {
    channel: new ServiceBusStatusChannel({ queueUrl: `${bus().restUrl}/${queue.name}`, source: 'i-1', token: null }),
    bodies: async () => queue.peek(1, 1_000).map(({ body }) => body.toString()),
  };
});

const control = useBlobs({}, (faults) =>
  faults.set([
    { kind: 'throttle', probability: 0.12 },
    { kind: 'unavailable', probability: 0.08 },
    { kind: 'down', probability: 0.05 },
    { kind: 'lost-response', probability: 0.1 },
  ]),
);
describeControlChannelContract(
  'Azure under faults',
  async () => new AzureControlChannel({ containerUrl: control().freshContainer(), token: null }),
);

// A stream that is put can be read only once, so whoever has it tries again: what is put here as a stream is spared.
const blobs = useBlobs({}, (faults) =>
  faults.set([
    { kind: 'throttle', operations: ['read'], probability: 0.2 },
    { kind: 'unavailable', operations: ['read'], probability: 0.15 },
    { kind: 'down', operations: ['read'], probability: 0.15 },
    { kind: 'lost-response', operations: ['read'], probability: 0.15 },
  ]),
);
describeBlobStoreContract(
  'Azure under faults',
  async () => new AzureBlobStore({ containerUrl: blobs().freshContainer(), token: null }),
);
