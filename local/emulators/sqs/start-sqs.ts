import type { RequestListener, ServerResponse } from 'node:http';
import { Faults } from '../faults/faults.ts';
import { serveJsonProtocol } from '../protocol/json-protocol.ts';
import type { LoopbackServer } from '../protocol/loopback-server.ts';
import { RequestCounts } from '../protocol/request-counts.ts';
import { END_POLLS_PATH, RESTART_PATH } from './operator-paths.ts';
import { QueueRegistry } from './queue-registry.ts';
import { sqsInjections } from './sqs-faults.ts';
import { createSqsHandler } from './sqs-service.ts';

/** Codes that the older query protocol wrote with a prefix; the SDK shows them as `Code`. */
const prefixed =
  /^(EmptyBatch|TooManyEntries|BatchEntryIds|InvalidBatchEntry|BatchRequestTooLong|UnsupportedOperation)/;

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
    operatorPaths: {
      // Whoever asks is answered before all connections end.
      [RESTART_PATH]: operatorSwitch((response) => {
        response.once('finish', restart);
        response.setHeader('connection', 'close');
      }),
      [END_POLLS_PATH]: operatorSwitch(() => queues.endPolls()),
    },
    queryErrorCode,
  });
  const stop = async () => {
    queues.close();
    await server.stop();
  };
  return { ...server, restart, stop };
}

const operatorSwitch =
  (act: (response: ServerResponse) => void): RequestListener =>
  (request, response) => {
    request.resume();
    if (request.method !== 'POST') return void response.writeHead(405).end();
    act(response);
    response.writeHead(204).end();
  };

function queryErrorCode(code: string): string {
  if (code === 'QueueDoesNotExist') return 'AWS.SimpleQueueService.NonExistentQueue';
  if (code === 'QueueNameExists') return 'QueueAlreadyExists';
  return prefixed.test(code) ? `AWS.SimpleQueueService.${code}` : code;
}
