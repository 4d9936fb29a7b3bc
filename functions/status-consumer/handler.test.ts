import type { Context, SQSBatchResponse } from 'aws-lambda';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { TransientError } from '../../core/errors.ts';
import { START } from '../../test/factories/manual-clock.ts';
import { sqsEventFactory } from '../../test/factories/sqs-record.ts';
import type { consumeStatus } from './consume-status.ts';

// Read when the modules are loaded. No client made with it is ever called here.
vi.hoisted(() => {
  const environment = {
    AWS_REGION: 'eu-central-1',
    STAGE: 'test',
    JOBS_TABLE: 'jobs',
    TASKS_TABLE: 'tasks',
    FLEETS_TABLE: 'fleets',
    BUCKET: 'bucket',
    LAMBDA_TASK_ROOT: process.cwd(),
    QUEUE_URL_PREFIX: 'https://sqs/',
    DELAYED_QUEUE_URL: 'https://sqs/delayed',
    STATUS_DEAD_QUEUE_URL: 'https://sqs/dead',
    SCALER_FUNCTION_NAME: 'scaler',
  };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
});

const consume = vi.hoisted(() => vi.fn<typeof consumeStatus>());
vi.mock('./consume-status.ts', () => ({ consumeStatus: consume }));

const { handler } = await import('./handler.ts');

afterAll(() => {
  vi.doUnmock('./consume-status.ts');
  vi.unstubAllEnvs();
});

const context = { functionName: 'status-consumer', awsRequestId: 'request-1' } as Context;
const ask = async (bodies: readonly unknown[]): Promise<SQSBatchResponse> => handler(sqsEventFactory(bodies), context);

beforeEach(() => {
  for (const method of ['debug', 'info', 'warn', 'error', 'log'] as const) {
    vi.spyOn(console, method).mockImplementation(() => undefined);
  }
  return () => vi.restoreAllMocks();
});

describe('the answer to the event source mapping', () => {
  it('names exactly the records that must come back (lesson 4)', async () => {
    const failed = new Map<string, unknown>([
      ['message-1', new TransientError('throttled')],
      ['message-2', 'speaks of an attempt that is not known yet'],
    ]);
    consume.mockResolvedValue({ failed, applied: [], malformed: [] });

    const { batchItemFailures } = await ask(['a', 'b', 'c', 'd']);

    expect(batchItemFailures).toEqual([{ itemIdentifier: 'message-1' }, { itemIdentifier: 'message-2' }]);
  });

  it('names none when everything is done', async () => {
    consume.mockResolvedValue({ failed: new Map(), applied: [], malformed: [] });

    expect(await ask(['a', 'b'])).toEqual({ batchItemFailures: [] });
  });

  it('names all when all must come back, and forgets them in the next batch', async () => {
    const error = new TransientError('throttled');
    const failed = new Map([0, 1].map((index) => [`message-${index}`, error]));
    consume.mockResolvedValueOnce({ failed, applied: [], malformed: [] });
    consume.mockResolvedValueOnce({ failed: new Map(), applied: [], malformed: [] });

    expect((await ask(['a', 'b'])).batchItemFailures).toHaveLength(2);
    expect((await ask(['c'])).batchItemFailures).toEqual([]);
  });

  it('is none at all when the batch itself fails: then all of it comes back (lesson 4)', async () => {
    consume.mockRejectedValue(new Error('out of memory'));

    await expect(ask(['a'])).rejects.toThrow('out of memory');
  });

  it('hands over how often each record was received, and when it was sent', async () => {
    consume.mockResolvedValue({ failed: new Map(), applied: [], malformed: [] });

    await ask(['a']);

    expect(consume.mock.lastCall?.[0]).toEqual([
      { messageId: 'message-0', body: 'a', receiveCount: 1, sentAt: new Date(START) },
    ]);
  });
});
