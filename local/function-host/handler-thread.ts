/**
 * Runs inside a worker thread: loads one packaged handler and answers one invocation at a time, as Lambda's runtime does.
 * The thread's `process.env` is the function's own; what the handler writes to stdout goes to the function's log.
 */
import { pathToFileURL } from 'node:url';
import { getHeapStatistics } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import {
  failed,
  functionErrorOf,
  type Outcome,
  type ThreadData,
  type ThreadReply,
  type ThreadRequest,
} from './invocation.ts';

type Handler = (event: unknown, context: unknown) => unknown;

// WarmWorker is the only one that starts this file, with exactly this shape.
const thread = workerData as ThreadData;
const reply = (message: ThreadReply): void => parentPort?.postMessage(message);

async function loadHandler(): Promise<Handler> {
  const module: Record<string, unknown> = await import(pathToFileURL(thread.handlerFile).href);
  const handler = module[thread.handlerExport];
  if (typeof handler === 'function') return handler as Handler; // every function can be called with two arguments
  throw new Error(`${thread.handlerFile} does not export a function named ${thread.handlerExport}`);
}

function contextOf(request: ThreadRequest): object {
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: thread.functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: thread.functionArn,
    memoryLimitInMB: String(thread.memoryMiB),
    awsRequestId: request.requestId,
    logGroupName: `/aws/lambda/${thread.functionName}`,
    logStreamName: 'local',
    getRemainingTimeInMillis: () => Math.max(0, request.deadlineMs - Date.now()),
  };
}

async function answer(handler: Handler, request: ThreadRequest): Promise<Outcome> {
  let returned: unknown;
  try {
    returned = await handler(JSON.parse(request.event), contextOf(request));
  } catch (error) {
    return { kind: 'failed', error: functionErrorOf(error) };
  }
  try {
    return { kind: 'returned', payload: JSON.stringify(returned) ?? 'null' };
  } catch (error) {
    return failed('Runtime.MarshalError', `Unable to stringify response body: ${functionErrorOf(error).errorMessage}`);
  }
}

// An error here, or one that nobody handles later, ends the thread: the host then reports it for the running invocation.
const handler = await loadHandler();
parentPort?.on('message', (request: ThreadRequest) => {
  void answer(handler, request).then((outcome) => {
    const { total_heap_size: heapBytes, external_memory: externalBytes } = getHeapStatistics();
    const usedMiB = Math.ceil((heapBytes + externalBytes) / 2 ** 20);
    reply({ kind: 'answered', requestId: request.requestId, outcome, usedMiB });
  });
});
reply({ kind: 'loaded' });
