/** The life of a job as Step Functions runs it: `statemachine/job.asl.yml` itself, its one function played by the test. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  type Answer,
  createMachine,
  ended,
  fn,
  start,
  success,
  useStepFunctions,
} from './emulators/step-functions-fixture.ts';

useStepFunctions();

const FILE = join(import.meta.dirname, '../../statemachine/job.asl.yml');

interface Step {
  readonly step: 'enqueue' | 'await' | 'await-cancelled' | 'finish';
  readonly jobId: string;
  readonly chunk?: number;
  readonly taskToken?: string;
  readonly cause?: string;
  readonly error?: string;
}

type Play = (step: Step, calls: readonly Step[]) => Answer | undefined | Promise<Answer | undefined>;

/** Runs a job to the end of its execution; `play` answers its steps, `undefined` is an ordinary success. */
async function runJob(play: Play, input: { chunks?: number[]; maxDurationSeconds?: number } = {}) {
  const calls: Step[] = [];
  const jobSteps = fn(async (payload) => {
    const step = payload as Step;
    calls.push(step);
    return (await play(step, calls)) ?? { result: {} };
  });
  const text = (await readFile(FILE, 'utf8')).replaceAll(`\${self:custom.names.jobSteps}`, jobSteps);
  const { States, StartAt } = parse(text, { merge: true });
  const machine = await createMachine(States, { StartAt });
  const job = { jobId: 'job-1', chunks: [0], maxDurationSeconds: 60, ...input };
  const { status } = await ended(await start(machine, job));
  return { status, calls, steps: calls.map(({ step }) => step), finish: calls.filter(({ step }) => step === 'finish') };
}

const failing = (errorType: string): Answer => ({ functionError: { errorType, errorMessage: 'no luck' } });
const settle = async ({ taskToken = '' }: Step): Promise<undefined> => {
  await success(taskToken, { outcome: 'settled' });
};

describe('the state machine of a job', () => {
  it('enqueues every chunk, waits for its token, and finishes', async () => {
    const { status, calls, steps, finish } = await runJob(
      (step) => (step.step === 'await' ? settle(step) : undefined),
      {
        chunks: [0, 1, 2],
      },
    );

    expect(status).toBe('SUCCEEDED');
    expect(steps).toEqual(['enqueue', 'enqueue', 'enqueue', 'await', 'finish']);
    expect(new Set(calls.slice(0, 3).map(({ jobId, chunk }) => `${jobId} ${chunk}`))).toEqual(
      new Set(['job-1 0', 'job-1 1', 'job-1 2']),
    );
    expect(finish).toEqual([{ step: 'finish', jobId: 'job-1', cause: 'settled' }]);
  });

  it('enqueues a chunk again when that failed for now (lesson 5)', async () => {
    const { steps, finish } = await runJob(({ step, taskToken }, calls) => {
      if (step === 'enqueue' && calls.length === 1) return failing('TransientError');
      return step === 'await' ? settle({ step, jobId: '', taskToken: taskToken ?? '' }) : undefined;
    });

    expect(steps).toEqual(['enqueue', 'enqueue', 'await', 'finish']);
    expect(finish[0]?.cause).toBe('settled');
  });

  it('finishes with the error when a chunk can never be enqueued', async () => {
    const { status, steps, finish } = await runJob(({ step }) =>
      step === 'enqueue' ? failing('PermanentError') : undefined,
    );

    expect(status).toBe('SUCCEEDED');
    expect(steps).toEqual(['enqueue', 'finish']);
    expect(finish[0]).toMatchObject({ cause: 'error', error: expect.stringContaining('PermanentError') });
  });

  it('finishes as timed out when nobody answers in time', async () => {
    const { finish } = await runJob(() => undefined, { maxDurationSeconds: 1 });

    expect(finish).toEqual([{ step: 'finish', jobId: 'job-1', cause: 'timed-out' }]);
  });

  it('waits once more for the machines of a cancelled job', async () => {
    const { steps, finish } = await runJob(async ({ step, taskToken = '' }) => {
      if (step === 'await') await success(taskToken, { outcome: 'cancelling' });
      if (step === 'await-cancelled') await success(taskToken, { outcome: 'settled' });
      return undefined;
    });

    expect(steps).toEqual(['enqueue', 'await', 'await-cancelled', 'finish']);
    expect(finish[0]?.cause).toBe('cancelled');
  });

  it('finishes again and again until that succeeds', async () => {
    const { status, steps } = await runJob((step, calls) => {
      if (step.step === 'await') return settle(step);
      const tries = calls.filter((call) => call.step === 'finish').length;
      return tries === 1 ? failing('TransientError') : undefined;
    });

    expect(status).toBe('SUCCEEDED');
    expect(steps.slice(-2)).toEqual(['finish', 'finish']);
  });
});
