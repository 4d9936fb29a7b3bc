/** `.shoal/local.json`: where everything is, for tools on this machine. It holds a key, so only its owner may read it. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fleet } from '../core/fleet.ts';
import { PRIORITIES, type Priority, taskQueueName } from '../core/ids.ts';
import { LOCAL_CREDENTIALS } from './function-host/function-environment.ts';
import { LOCAL_REGION, LOCAL_STAGE } from './physical-names.ts';
import type { StandingStack } from './set-up-stack.ts';

export interface LocalDescription {
  readonly apiUrl: string;
  readonly apiKey: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sqsUrl: string;
  readonly dynamodbUrl: string;
  readonly s3Url: string;
  readonly statesUrl: string;
  readonly lambdaUrl: string;
  /** Here machines hear that they are taken back: `POST {metadataUrl}/{instanceId}/interrupt`. */
  readonly metadataUrl: string;
  readonly statusQueueUrl: string;
  readonly statusDeadQueueUrl: string;
  readonly deadLetterQueueUrl: string;
  /** By fleet and priority. */
  readonly taskQueueUrls: Readonly<Record<string, Readonly<Record<Priority, string>>>>;
  /** `jobs` → `shoal-jobs-dev`. */
  readonly tables: Readonly<Record<string, string>>;
  readonly bucket: string;
  readonly fleets: readonly string[];
  readonly logsDir: string;
}

export interface DescribedRun {
  readonly urls: Pick<
    LocalDescription,
    'apiUrl' | 'lambdaUrl' | 'sqsUrl' | 'dynamodbUrl' | 's3Url' | 'statesUrl' | 'metadataUrl'
  >;
  readonly queueUrlPrefix: string;
  readonly stack: StandingStack;
  readonly apiKey: string;
  readonly fleets: readonly Fleet[];
  readonly logsDirectory: string;
}

/** Puts together what a run tells about itself. @throws Error when the template lacks a queue that tools rely on */
export function describeRun(run: DescribedRun): LocalDescription {
  const { urls, queueUrlPrefix, stack, apiKey, fleets, logsDirectory } = run;
  const { apiUrl, lambdaUrl, sqsUrl, dynamodbUrl, s3Url, statesUrl, metadataUrl } = urls;
  const { StatusQueue, StatusDeadQueue, DeadLetterQueue } = stack.queueUrls;
  if (!StatusQueue || !StatusDeadQueue || !DeadLetterQueue) {
    throw new Error('the template has no StatusQueue, StatusDeadQueue or DeadLetterQueue');
  }
  const queuesOf = ({ name }: Fleet) => {
    const [high, normal, low] = PRIORITIES.map((each) => queueUrlPrefix + taskQueueName(name, each, LOCAL_STAGE));
    return { high: high ?? '', normal: normal ?? '', low: low ?? '' };
  };
  const tables = Object.entries(stack.tables).map(([logicalId, name]) => [
    logicalId.replace(/Table$/, '').toLowerCase(),
    name,
  ]);
  return {
    apiUrl,
    apiKey,
    region: LOCAL_REGION,
    ...LOCAL_CREDENTIALS,
    sqsUrl,
    dynamodbUrl,
    s3Url,
    statesUrl,
    lambdaUrl,
    metadataUrl,
    statusQueueUrl: StatusQueue,
    statusDeadQueueUrl: StatusDeadQueue,
    deadLetterQueueUrl: DeadLetterQueue,
    taskQueueUrls: Object.fromEntries(fleets.map((fleet) => [fleet.name, queuesOf(fleet)])),
    tables: Object.fromEntries(tables),
    bucket: stack.bucket,
    fleets: fleets.map((fleet) => fleet.name),
    logsDir: logsDirectory,
  };
}

const pathOf = (dataDirectory: string): string => join(dataDirectory, 'local.json');

/** Writes it anew: the mode of a file that exists would stay what it is. */
export async function writeLocalDescription(dataDirectory: string, description: LocalDescription): Promise<void> {
  await removeLocalDescription(dataDirectory);
  // Whoever waits for the file must never find half of it.
  const aside = `${pathOf(dataDirectory)}.${process.pid}`;
  await writeFile(aside, `${JSON.stringify(description, null, 2)}\n`, { mode: 0o600 });
  await rename(aside, pathOf(dataDirectory));
}

export const removeLocalDescription = (dataDirectory: string): Promise<void> =>
  rm(pathOf(dataDirectory), { force: true });
