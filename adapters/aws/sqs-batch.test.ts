import { describe, expect, it } from 'vitest';
import { PermanentError } from '../../core/errors.ts';
import { inBatches } from './sqs-batch.ts';

/** Answers the first call with this failure of its first entry, later ones with success. */
function failingOnce(Code: string) {
  const calls: string[][] = [];
  const call = async (entries: { Id: string }[]) => {
    calls.push(entries.map((entry) => entry.Id));
    return calls.length === 1 ? { Failed: [{ Id: entries[0]?.Id, SenderFault: true, Code }] } : {};
  };
  return { calls, call };
}

describe('an entry of a batch that failed by the sender’s fault', () => {
  it('is tried again when its fault was to be too fast', async () => {
    const { calls, call } = failingOnce('RequestThrottled');

    await inBatches([{ Id: '0' }, { Id: '1' }], call);

    expect(calls).toEqual([['0', '1'], ['0']]);
  });

  it('is not tried again when it is malformed', async () => {
    const { calls, call } = failingOnce('InvalidMessageContents');

    await expect(inBatches([{ Id: '0' }, { Id: '1' }], call)).rejects.toThrow(PermanentError);

    expect(calls).toHaveLength(1);
  });
});
