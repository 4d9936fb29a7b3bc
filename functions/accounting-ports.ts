/** What it takes to apply reports (accounting/apply-reports.ts) on AWS, for every function that does. */
import type { SQSClient } from '@aws-sdk/client-sqs';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { createSfnClient } from '../adapters/aws/clients.ts';
import { DynamoFleetStore } from '../adapters/aws/dynamodb-fleet-store.ts';
import { DynamoJobStore } from '../adapters/aws/dynamodb-job-store.ts';
import { DynamoTaskStore } from '../adapters/aws/dynamodb-task-store.ts';
import { SqsDelayedQueue } from '../adapters/aws/sqs-delayed-queue.ts';
import { StepFunctionsJobMachine } from '../adapters/aws/step-functions-job-machine.ts';
import type { FleetStore, TaskQueues } from '../core/ports.ts';
import type { ApplyPorts } from './accounting/apply-reports.ts';
import { ReportingMachines } from './accounting/reporting-machines.ts';

interface AccountingConfig {
  readonly JOBS_TABLE: string;
  readonly TASKS_TABLE: string;
  readonly FLEETS_TABLE: string;
  readonly DELAYED_QUEUE_URL: string;
  /** Where executions are started, too. */
  readonly STATE_MACHINE_ARN?: string;
}

interface AccountingClients {
  readonly dynamodb: DynamoDBDocumentClient;
  readonly sqs: SQSClient;
  /** Of every fleet (clouds/deployment-services.ts). */
  readonly queues: TaskQueues;
}

export function accountingPorts(
  config: AccountingConfig,
  { dynamodb, sqs, queues }: AccountingClients,
): ApplyPorts & { readonly fleets: FleetStore } {
  const { JOBS_TABLE: jobsTable, TASKS_TABLE: tasksTable, STATE_MACHINE_ARN: stateMachineArn } = config;
  const clock = { now: () => new Date() };
  const fleets = new DynamoFleetStore({ client: dynamodb, table: config.FLEETS_TABLE });
  return {
    jobs: new DynamoJobStore({ client: dynamodb, table: jobsTable }),
    tasks: new DynamoTaskStore({ client: dynamodb, tasksTable, jobsTable }),
    fleets,
    reporting: new ReportingMachines(fleets),
    queues,
    delayed: new SqsDelayedQueue({ client: sqs, queueUrl: config.DELAYED_QUEUE_URL, clock }),
    machine: new StepFunctionsJobMachine({
      client: createSfnClient(),
      ...(stateMachineArn === undefined ? {} : { stateMachineArn }),
    }),
    clock,
    random: Math.random,
  };
}
