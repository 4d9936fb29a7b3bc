import { describe, expect, it } from 'vitest';
import type { JobMachine } from '../../core/ports.ts';
import { jobIdFactory } from '../factories/ids.ts';

const job = { jobId: jobIdFactory(), taskCount: 2_500, maxDurationSeconds: 600 };

export interface JobMachineSetup {
  /** A machine that started nothing yet. */
  readonly machine: JobMachine;
  /** Ids of the jobs whose executions were started. */
  started(): Promise<readonly string[]>;
  /** A token that an execution waits for. */
  waitingToken(): Promise<string>;
  /** That execution no longer waits. */
  giveUp(taskToken: string): Promise<void>;
  /** What the execution was answered with. */
  answerTo(taskToken: string): Promise<string | undefined>;
}

export function describeJobMachineContract(name: string, setup: () => Promise<JobMachineSetup>): void {
  describe(`JobMachine: ${name}`, () => {
    it('starts a job’s execution once, however often it is asked', async () => {
      const { machine, started } = await setup();

      await machine.start(job);
      await machine.start(job);
      await Promise.all([machine.start(job), machine.start({ ...job, jobId: jobIdFactory(2) })]);

      expect([...(await started())].sort()).toEqual([jobIdFactory(1), jobIdFactory(2)]);
    });

    it.each(['settled', 'cancelling'] as const)('answers a waiting token with %s', async (signal) => {
      const { machine, waitingToken, answerTo } = await setup();
      const token = await waitingToken();

      expect(await machine.signal(token, signal)).toBe('accepted');

      expect(await answerTo(token)).toBe(signal);
    });

    it('takes a token that was answered before for spent: the first answer stays', async () => {
      const { machine, waitingToken, answerTo } = await setup();
      const token = await waitingToken();
      await machine.signal(token, 'cancelling');

      expect(await machine.signal(token, 'settled')).toBe('spent');

      expect(await answerTo(token)).toBe('cancelling');
    });

    it('takes a token that nobody waits for any more for spent', async () => {
      const { machine, waitingToken, giveUp } = await setup();
      const token = await waitingToken();
      await giveUp(token);

      expect(await machine.signal(token, 'settled')).toBe('spent');
    });

    it('takes a token that never was one for spent', async () => {
      const { machine } = await setup();

      expect(await machine.signal('nonsense', 'settled')).toBe('spent');
    });
  });
}
