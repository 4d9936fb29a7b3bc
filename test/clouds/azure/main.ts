/**
 * Azure as a process of its own: `node test/clouds/azure/main.ts [--service-bus-port N] [--amqp-port N] [--blobs-port N]
 * [--queue NAME]… [--lock-seconds N] [--max-delivery-count N] [--container NAME]…`. It says once on stdout, as one JSON line, and to
 * its parent where everything listens; it ends on SIGTERM or with its parent. More queues and containers are made over REST.
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { startBlobs } from './blobs/start-blobs.ts';
import { startServiceBus } from './service-bus/start-service-bus.ts';

const text = { type: 'string' } as const;
const texts = { type: 'string', multiple: true } as const;
const port = z.coerce.number().int().min(0).max(65_535).default(0);

const given = z
  .object({
    'service-bus-port': port,
    'amqp-port': port,
    'blobs-port': port,
    queue: z.array(z.string()).default([]),
    container: z.array(z.string()).default(['shoal']),
    'lock-seconds': z.coerce.number().default(60),
    'max-delivery-count': z.coerce.number().int().default(6),
  })
  .parse(
    parseArgs({
      options: {
        'service-bus-port': text,
        'amqp-port': text,
        'blobs-port': text,
        queue: texts,
        container: texts,
        'lock-seconds': text,
        'max-delivery-count': text,
      },
    }).values,
  );

const [bus, blobs] = await Promise.all([
  startServiceBus({ restPort: given['service-bus-port'], amqpPort: given['amqp-port'] }),
  startBlobs({ port: given['blobs-port'] }),
]);
const settings = { lockSeconds: given['lock-seconds'], maxDeliveryCount: given['max-delivery-count'] };
for (const name of given.queue) bus.broker.create(name, settings);
for (const name of given.container) blobs.container(name);

const end = async (): Promise<void> => {
  await Promise.all([bus.stop(), blobs.stop()]);
  process.exit(0);
};
process.once('SIGTERM', () => void end());
process.once('disconnect', () => void end());
const ready = {
  ready: true,
  serviceBusUrl: bus.restUrl,
  serviceBusConnectionString: bus.connectionString,
  blobsUrl: blobs.url,
};
process.stdout.write(`${JSON.stringify(ready)}\n`);
process.send?.(ready);
