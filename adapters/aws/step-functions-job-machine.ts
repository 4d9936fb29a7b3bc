/** The job's state machine: started under the job's own name, answered by task token. */
import {
  ExecutionAlreadyExists,
  InvalidToken,
  SendTaskSuccessCommand,
  type SFNClient,
  StartExecutionCommand,
  TaskDoesNotExist,
  TaskTimedOut,
} from '@aws-sdk/client-sfn';
import { chunksOf } from '../../core/ids.ts';
import type { Job } from '../../core/job.ts';
import type { CompletionSignal, JobMachine } from '../../core/ports.ts';

export class StepFunctionsJobMachine implements JobMachine {
  readonly #client: SFNClient;
  readonly #stateMachineArn: string | undefined;

  /** @param options.stateMachineArn needed to start executions; signalling one needs only its token */
  constructor(options: { client: SFNClient; stateMachineArn?: string }) {
    this.#client = options.client;
    this.#stateMachineArn = options.stateMachineArn;
  }

  async start({ jobId, taskCount, maxDurationSeconds }: Parameters<JobMachine['start']>[0]): Promise<void> {
    try {
      await this.#client.send(
        new StartExecutionCommand({
          stateMachineArn: this.#stateMachineArn,
          name: executionName(jobId),
          input: JSON.stringify({ jobId, chunks: chunksOf(taskCount), maxDurationSeconds }),
        }),
      );
    } catch (error) {
      // A name is taken for 90 days: the execution of this job is there, running or ended.
      if (!(error instanceof ExecutionAlreadyExists)) throw error;
    }
  }

  /**
   * After a lost response the token is `spent`, by this very call: nobody can tell, and nobody needs to. Whoever answers
   * first lets the execution go on, and it looks at the job by itself.
   */
  async signal(taskToken: string, signal: CompletionSignal): Promise<'accepted' | 'spent'> {
    try {
      await this.#client.send(new SendTaskSuccessCommand({ taskToken, output: JSON.stringify({ outcome: signal }) }));
      return 'accepted';
    } catch (error) {
      const spent = error instanceof TaskTimedOut || error instanceof TaskDoesNotExist || error instanceof InvalidToken;
      if (spent) return 'spent';
      throw error;
    }
  }
}

const executionName = (jobId: Job['jobId']): string => `job-${jobId}`;
