import type { RequestListener } from 'node:http';
import { Faults } from '../faults/faults.ts';
import { serveJsonProtocol } from '../protocol/json-protocol.ts';
import type { LoopbackServer } from '../protocol/loopback-server.ts';
import { RequestCounts } from '../protocol/request-counts.ts';
import { QueueRegistry } from './queue-registry.ts';
import { sqsInjections } from './sqs-faults.ts';
import { createSqsHandler } from './sqs-service.ts';

/** Codes that the older query protocol wrote with a prefix; the SDK shows them as `Code`. */
const prefixed =
  /^(EmptyBatch|TooManyEntries|BatchEntryIds|InvalidBatchEntry|BatchRequestTooLong|UnsupportedOperation)/;

/** `POST` it, and the queues are as after a crash of this process. */
export const RESTART_PATH = '/_shoal/restart';

export interface SqsServer extends LoopbackServer {
  /** As if the process were killed and started again: every queue is there, empty, and every connection has ended. */
  restart(): void;
}

/** Starts SQS on the loopback address: standard queues, in memory, gone when it stops. */
export async function startSqs(options: { port: number; region: string; faults?: Faults }): Promise<SqsServer> {
  const queues = new QueueRegistry(options.region, Date.now);
  const restart = () => {
    queues.purge();
    server.dropConnections();
  };
  const server: LoopbackServer = await serveJsonProtocol({
    name: 'SQS',
    errorNamespace: 'com.amazonaws.sqs',
    port: options.port,
    handle: createSqsHandler(queues),
    counts: new RequestCounts(),
    faults: options.faults ?? new Faults(),
    faultedAs: 'sqs',
    injections: sqsInjections(queues, Date.now),
    operatorPaths: { [RESTART_PATH]: restartSwitch(restart) },
    queryErrorCode,
  });
  const stop = async () => {
    queues.close();
    await server.stop();
  };
  return { ...server, restart, stop };
}

/** Who asked is answered before its connection ends with the others. */
const restartSwitch =
  (restart: () => void): RequestListener =>
  (request, response) => {
    request.resume();
    if (request.method !== 'POST') return void response.writeHead(405).end();
    response.once('finish', restart);
    response.writeHead(204, { connection: 'close' }).end();
  };

function queryErrorCode(code: string): string {
  if (code === 'QueueDoesNotExist') return 'AWS.SimpleQueueService.NonExistentQueue';
  if (code === 'QueueNameExists') return 'QueueAlreadyExists';
  return prefixed.test(code) ? `AWS.SimpleQueueService.${code}` : code;
}
