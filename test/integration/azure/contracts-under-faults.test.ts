/**
 * Every adapter of Azure's queues and blobs holds its contract while the service throttles, fails, goes away, and loses answers
 * (lesson 47).
 */
import { AzureBlobStore } from '../../../adapters/azure/azure-blob-store.ts';
import { AzureControlChannel } from '../../../adapters/azure/azure-control-channel.ts';
import { ServiceBusStatusChannel } from '../../../adapters/azure/service-bus-status-channel.ts';
import type { AzureFault } from '../../clouds/azure/azure-faults.ts';
import { useBlobs, useServiceBus } from '../../clouds/azure/use-azure.ts';
import { describeBlobStoreContract } from '../../contracts/blob-store.ts';
import { describeControlChannelContract } from '../../contracts/control-channel.ts';
import { serviceBusTaskQueueSetup } from '../../contracts/service-bus-task-queue-setup.ts';
import { describeStatusChannelContract } from '../../contracts/status-channel.ts';
import { describeTaskQueueContract } from '../../contracts/task-queue.ts';

const PASSING: readonly AzureFault[] = [
  { kind: 'throttle', every: 11 },
  { kind: 'unavailable', every: 13 },
  { kind: 'down', every: 17 },
];

// A message that was delivered to nobody, or sent twice, comes again: that is told in `service-bus-troubles.test.ts`.
describeTaskQueueContract(
  'Service Bus under faults',
  serviceBusTaskQueueSetup((faults) =>
    faults.set(...PASSING, { kind: 'lost-response', operations: ['settle', 'renew', 'count'], every: 9 }),
  ),
);

// It makes few calls: each fault comes early, and not often enough to fail one for good.
const bus = useServiceBus({}, (faults) =>
  faults.set(
    { kind: 'throttle', every: 2, times: 2 },
    { kind: 'unavailable', every: 2, times: 2 },
    { kind: 'down', times: 1 },
  ),
);
describeStatusChannelContract('Service Bus under faults', async () => {
  const queue = bus().broker.create(`status-${crypto.randomUUID()}`);
  return {
    channel: new ServiceBusStatusChannel({ queueUrl: `${bus().restUrl}/${queue.name}`, source: 'i-1', token: null }),
    bodies: async () => queue.peek(1, 1_000).map(({ body }) => body.toString()),
  };
});

const control = useBlobs({}, (faults) => faults.set(...PASSING, { kind: 'lost-response', every: 9 }));
describeControlChannelContract(
  'Azure under faults',
  async () => new AzureControlChannel({ containerUrl: control().freshContainer(), token: null }),
);

// A stream that is put can be read only once, so whoever has it tries again: writes are spared here.
const onReads = (fault: AzureFault): AzureFault => ({ ...fault, operations: ['read'] });
const blobs = useBlobs({}, (faults) =>
  faults.set(...PASSING.map(onReads), { kind: 'lost-response', operations: ['read'], every: 9 }),
);
describeBlobStoreContract(
  'Azure under faults',
  async () => new AzureBlobStore({ containerUrl: blobs().freshContainer(), token: null }),
);
