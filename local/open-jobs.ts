/**
 * Jobs that an earlier run over the same folder left open. Its tables and blobs are there, its queues and executions were
 * only in memory: either each job gets a new execution, which sends again what has not ended, or it is closed.
 */
import { createDynamoClient, createSfnClient } from '../adapters/aws/clients.ts';
import { DynamoJobStore } from '../adapters/aws/dynamodb-job-store.ts';
import { StepFunctionsJobMachine } from '../adapters/aws/step-functions-job-machine.ts';
import { isClosed } from '../core/job.ts';
import { LOCAL_CREDENTIALS } from './function-host/function-environment.ts';
import { LOCAL_REGION } from './physical-names.ts';

export interface OpenJobsOptions {
  readonly endpoints: { readonly dynamodb: string; readonly states: string };
  readonly jobsTable: string;
  readonly stateMachineArn: string;
  readonly keep: boolean;
}

const STOPPED = 'the local run that carried it was stopped; npm start -- --keep goes on instead';

/** @returns how many jobs were open */
export async function takeOverOpenJobs({
  endpoints,
  jobsTable,
  stateMachineArn,
  keep,
}: OpenJobsOptions): Promise<number> {
  const at = (endpoint: string) => ({ endpoint, region: LOCAL_REGION, credentials: { ...LOCAL_CREDENTIALS } });
  const dynamodb = createDynamoClient(at(endpoints.dynamodb));
  const states = createSfnClient(at(endpoints.states));
  const jobs = new DynamoJobStore({ client: dynamodb, table: jobsTable });
  const machine = new StepFunctionsJobMachine({ client: states, stateMachineArn });
  try {
    let open = 0;
    for (const jobId of await jobs.listOpen()) {
      const job = (await jobs.progress(jobId))?.job;
      if (!job || isClosed(job.status)) continue;
      open += 1;
      if (keep) {
        await machine.start(job);
      } else {
        // As in every job that ends before its tasks have: first the fence, then the verdict.
        await jobs.fence(jobId, new Date());
        await jobs.close(jobId, { status: 'CANCELLED', reason: STOPPED }, new Date());
      }
    }
    return open;
  } finally {
    dynamodb.destroy();
    states.destroy();
  }
}
