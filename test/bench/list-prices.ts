/**
 * What AWS charges for what a job asks of it, apart from its machines: on-demand list prices of us-east-1 in 2026, in dollars,
 * without free tiers. Step Functions comes on top: some ten state transitions a job and one for every 1,000 tasks, at $25 a
 * million.
 */
import type { BenchFigures, OperationFigures } from './figures.ts';
import type { FunctionFigures } from './function-figures.ts';

const MILLION = 1_000_000;

/** A request to a standard queue, and what one to a fair queue costs on top: ours are fair (a message group a job). */
const SQS_USD = (0.4 + 0.1) / MILLION;
const DYNAMODB_WRITE_UNIT_USD = 0.625 / MILLION;
const DYNAMODB_READ_UNIT_USD = 0.125 / MILLION;
const S3_WRITE_USD = 5 / MILLION;
const S3_READ_USD = 0.4 / MILLION;
const LAMBDA_REQUEST_USD = 0.2 / MILLION;
/** On ARM. */
const LAMBDA_GB_SECOND_USD = 0.0000133334;

export interface Charge {
  readonly what: string;
  readonly usd: number;
}

/** What the run would cost, by service. Lambda's part is measured on this machine: another one is faster or slower. */
export function chargesOf({ operations, functions }: Pick<BenchFigures, 'operations' | 'functions'>): Charge[] {
  const sum = (service: string, of: (each: OperationFigures) => number): number =>
    operations.filter((each) => each.service === service).reduce((total, each) => total + of(each), 0);
  return [
    { what: 'DynamoDB writes', usd: sum('DynamoDB', (each) => each.writeUnits) * DYNAMODB_WRITE_UNIT_USD },
    { what: 'DynamoDB reads', usd: sum('DynamoDB', (each) => each.readUnits) * DYNAMODB_READ_UNIT_USD },
    { what: 'SQS', usd: sum('SQS', (each) => each.billedChunks) * SQS_USD },
    { what: 'S3', usd: sum('S3', (each) => each.requests * (isRead(each) ? S3_READ_USD : S3_WRITE_USD)) },
    { what: 'Lambda', usd: functions.reduce((total, each) => total + lambdaUsd(each), 0) },
  ];
}

const isRead = ({ operation }: OperationFigures): boolean => /^(?:Get|Head)/.test(operation);

const lambdaUsd = ({ invocations, billedSeconds, memorySizeMiB }: FunctionFigures): number =>
  invocations * LAMBDA_REQUEST_USD + ((billedSeconds * memorySizeMiB) / 1_024) * LAMBDA_GB_SECOND_USD;
