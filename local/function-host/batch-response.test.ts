import { describe, expect, it } from 'vitest';
import { failedMessageIds } from './batch-response.ts';
import { failed } from './invocation.ts';

const ids = ['a', 'b', 'c'];
const returned = (value: unknown) => ({ kind: 'returned', payload: JSON.stringify(value) }) as const;

describe('of a batch stays on its queue', () => {
  it.each([
    ['nothing', null],
    ['nothing', {}],
    ['nothing', { batchItemFailures: [] }],
    ['nothing', { batchItemFailures: null }],
  ])('%s after %s %j', (_, response) => {
    expect([...failedMessageIds(returned(response), ids, true)]).toEqual([]);
  });

  it('only what the function names', () => {
    const response = { batchItemFailures: [{ itemIdentifier: 'b' }] };
    expect([...failedMessageIds(returned(response), ids, true)]).toEqual(['b']);
  });

  it.each([
    ['text'],
    [{ batchItemFailures: 'b' }],
    [{ batchItemFailures: [{}] }],
    [{ batchItemFailures: [{ itemIdentifier: '' }] }],
    [{ batchItemFailures: [{ itemIdentifier: 'other' }] }],
  ])('everything, when the answer is malformed: %j', (response) => {
    expect([...failedMessageIds(returned(response), ids, true)]).toEqual(ids);
  });

  it('everything, when the function failed', () => {
    expect([...failedMessageIds(failed('Error', 'no'), ids, true)]).toEqual(ids);
    expect([...failedMessageIds(failed('Error', 'no'), ids, false)]).toEqual(ids);
  });

  it('nothing, when the mapping does not ask for partial answers', () => {
    expect([...failedMessageIds(returned('text'), ids, false)]).toEqual([]);
  });
});
