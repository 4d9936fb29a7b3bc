import { describe, expect, it } from 'vitest';
import { MAX_MESSAGE_INPUT_BYTES, taskMessageSchema } from '../core/messages.ts';
import { COMMIT, jobIdFactory, taskIdFactory } from '../test/factories/ids.ts';
import { jobFactory } from '../test/factories/job.ts';
import { PLAIN_CODE } from '../test/factories/plain-code.ts';
import { firstAttempt, laterAttempt } from './task-messages.ts';

/** Where the task's line is in its file. */
const RANGE = { offset: 7, bytes: 70 };

const job = jobFactory({ taskCount: 2_500, priority: 'high', timeoutSeconds: 60 });

describe('the message of a first attempt', () => {
  it('carries what an agent needs, and nothing of what the control plane keeps to itself', () => {
    const message = firstAttempt(job, 1_234, { key: 'a', input: { n: 1 } }, RANGE);

    expect(message).toEqual({
      v: 1,
      jobId: jobIdFactory(),
      taskId: taskIdFactory(1_234),
      key: 'a',
      attempt: 1,
      fleet: 'default',
      priority: 'high',
      input: { n: 1 },
      code: {
        repository: 'https://github.com/acme/word-count',
        commit: COMMIT,
        setup: null,
        run: ['node', 'count.js'],
        ...PLAIN_CODE,
      },
      timeoutSeconds: 60,
    });
  });

  it.each([[null], [0], [false], ['']])('carries the input %j, which is one like any other', (input) => {
    const message = taskMessageSchema.parse(JSON.parse(JSON.stringify(firstAttempt(job, 0, { input }, RANGE))));

    expect(message).toHaveProperty('input', input);
    expect(message).not.toHaveProperty('inputRef');
  });

  it('carries an input of 16 KB, and only points at one that is a byte larger', () => {
    const inputOf = (bytes: number): string => 'x'.repeat(bytes - 2); // two quotes

    const fits = firstAttempt(job, 2_001, { input: inputOf(MAX_MESSAGE_INPUT_BYTES) }, RANGE);
    const tooLarge = firstAttempt(job, 2_001, { input: inputOf(MAX_MESSAGE_INPUT_BYTES + 1) }, RANGE);

    expect(fits.input).toHaveLength(MAX_MESSAGE_INPUT_BYTES - 2);
    expect(fits).not.toHaveProperty('inputRef');
    expect(tooLarge).not.toHaveProperty('input');
    expect(tooLarge.inputRef).toEqual({ blob: `jobs/${job.jobId}/inputs/2.jsonl`, line: 1, range: RANGE });
  });

  it('measures an input as it travels, every character escaped (lesson 46)', () => {
    const message = firstAttempt(job, 0, { input: '🚀'.repeat(MAX_MESSAGE_INPUT_BYTES / 8) }, RANGE);

    expect(message.inputRef).toEqual({ blob: `jobs/${job.jobId}/inputs/0.jsonl`, line: 0, range: RANGE });
  });
});

describe('the message of a later attempt', () => {
  it('points at its input, because who sends it has not got it', () => {
    const message = laterAttempt(job, 1_999, 3, null);

    expect(message).toMatchObject({ taskId: taskIdFactory(1_999), attempt: 3 });
    expect(message.inputRef).toEqual({ blob: `jobs/${job.jobId}/inputs/1.jsonl`, line: 999 });
    expect(taskMessageSchema.safeParse(message).success).toBe(true);
  });
});
