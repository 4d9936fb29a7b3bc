import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { AzureBlobStore } from '../../../adapters/azure/azure-blob-store.ts';
import { serviceBusTaskQueues } from '../../../adapters/azure/service-bus-task-queue.ts';
import { azureAddresses, azureCloudSchema } from '../../../core/clouds.ts';
import { taskQueueName } from '../../../core/ids.ts';
import { AZURE_CLOUD } from '../../factories/clouds.ts';
import { taskMessageFactory } from '../../factories/task-message.ts';

const MAIN = join(import.meta.dirname, '../../clouds/azure/main.ts');
const readySchema = z.object({ serviceBusUrl: z.url(), blobsUrl: z.url() });

it('runs as a process of its own, at the addresses that a declared cloud is given', async () => {
  const queueName = taskQueueName('default', 'normal', 'test');
  const azure = fork(MAIN, ['--queue', queueName, '--container', 'shoal'], { silent: true });
  try {
    const { serviceBusUrl, blobsUrl } = readySchema.parse((await once(azure, 'message'))[0]);
    const endpoints = { serviceBus: serviceBusUrl, storage: blobsUrl };
    const cloud = azureCloudSchema.parse({ ...AZURE_CLOUD, container: 'shoal', endpoints });
    const { queueUrlPrefix, bucketUrl } = azureAddresses(cloud, 'test');
    const queues = serviceBusTaskQueues({ queueUrlPrefix, stage: 'test', token: null });
    const blobs = new AzureBlobStore({ containerUrl: bucketUrl, token: null });

    await queues('default', 'normal').send([taskMessageFactory()]);
    const received = await queues('default', 'normal').receive({ maxMessages: 10, waitSeconds: 1, leaseSeconds: 300 });
    await queues('default', 'normal').acknowledge(received.leases);
    await blobs.put('a/b', 'c', 'text/plain');

    expect(received.leases).toMatchObject([{ message: taskMessageFactory(), receiveCount: 1 }]);
    expect(await queues('default', 'normal').depth()).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
    expect(Buffer.from((await blobs.get('a/b')) ?? []).toString()).toBe('c');
  } finally {
    azure.kill();
    await once(azure, 'exit');
  }
});
