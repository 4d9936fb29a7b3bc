/** What a local run can be told, and what follows from it for functions and machines. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { z } from 'zod';
import type { cloudsSchema } from '../core/clouds.ts';
import { type Fleet, type FleetsFile, fleetsFileSchema } from '../core/fleet.ts';
import { BOOTSTRAP_PATH } from './end-local-instances.ts';
import { LOCAL_CREDENTIALS } from './function-host/function-environment.ts';
import type { PackagedAgent } from './package-agent.ts';
import { LOCAL_REGION } from './physical-names.ts';
import { PROJECT_ROOT } from './project-root.ts';

export interface PipelineOptions {
  /** Everything the run writes lies here; `.shoal` of the checkout unless told otherwise. */
  readonly dataDirectory?: string;
  /** The first of six consecutive ports; 0, the default, takes free ones. */
  readonly basePort?: number;
  /** Changes fleets of `fleets.yml`, by name, or adds others: `{ default: { idleSeconds: 3 }, far: { provider: 'gcp' } }`. */
  readonly fleets?: Readonly<Record<string, Partial<Omit<Fleet, 'name'>>>>;
  /** Instead of those of `fleets.yml`: machines are processes all the same, but queues and blobs are in their clouds. */
  readonly clouds?: z.input<typeof cloudsSchema>;
  /** Environment of every function, over everything else. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Environment of every local machine: `SHOAL_LEASE_GRACE_SECONDS` and the like. */
  readonly machineEnvironment?: Readonly<Record<string, string>>;
  /** Seconds between two ticks of the scaler. */
  readonly tickSeconds?: number;
  /** Visibility timeout of the queues that feed functions: how soon a report that failed comes again. */
  readonly reportVisibilitySeconds?: number;
  /** Goes on with jobs that an earlier run over the same folder left open; otherwise they are closed. */
  readonly keep?: boolean;
  /** Called with a line for people at each step of the start. */
  readonly onProgress?: (line: string) => void;
  /** Aborting ends a start half-way; nothing is left of it. */
  readonly signal?: AbortSignal;
}

/**
 * EventBridge ticks every minute at best. Here a machine that is wanted should come while somebody is watching, and an
 * emulator's reads cost nothing.
 */
const TICK_SECONDS = 5;

/** @throws Error when the environment has a number of seconds that is none */
export function tickSecondsOf({ tickSeconds }: PipelineOptions, own: NodeJS.ProcessEnv = process.env): number {
  const seconds = tickSeconds ?? Number(own['SHOAL_TICK_SECONDS'] ?? TICK_SECONDS);
  if (Number.isFinite(seconds) && seconds > 0) return seconds;
  throw new Error('SHOAL_TICK_SECONDS must be a number of seconds');
}

/** What `fleets.yml` is in this run. @throws ZodError for a fleet or cloud that no such file may have */
export async function fleetsFileOfRun({ fleets = {}, clouds }: PipelineOptions): Promise<FleetsFile> {
  const file = fleetsFileSchema.parse(parse(await readFile(join(PROJECT_ROOT, 'fleets.yml'), 'utf8')));
  const names = [...new Set([...Object.keys(file.fleets), ...Object.keys(fleets)])];
  const merged = names.map((name) => [name, { ...file.fleets[name], ...fleets[name] }]);
  return fleetsFileSchema.parse({ fleets: Object.fromEntries(merged), clouds: clouds ?? file.clouds });
}

/** Where the emulated services that a machine uses are. */
export interface MachineEndpoints {
  readonly sqs: string;
  readonly s3: string;
  /** Of all machines; each has a folder of its own there. */
  readonly metadata: string;
}

/** What comes over the template's environment of every function, only here. */
export function functionOverrides(
  options: PipelineOptions,
  { instances, credentials }: { instances: string; credentials: string },
  agent: PackagedAgent,
  endpoints: MachineEndpoints,
): Record<string, string> {
  const machines = {
    ...machineSurroundings(endpoints),
    SHOAL_CREDENTIALS_DIR: credentials,
    ...options.machineEnvironment,
  };
  return {
    // It is the user's own machine that is asked to fetch: it may ask the usual hosts.
    REPOSITORY_HOSTS: 'github.com,gitlab.com,bitbucket.org,codeberg.org',
    // Nowhere else: a deployed function has no disk that a user's repository could be on.
    ALLOW_LOCAL_REPOSITORIES: 'true',
    LOCAL_CREDENTIALS_DIR: credentials,
    LOCAL_INSTANCES_DIR: instances,
    // Counts are exact here.
    STATUS_SETTLE_SECONDS: '0',
    LOCAL_BOOTSTRAP: BOOTSTRAP_PATH,
    LOCAL_MACHINE_ENVIRONMENT: JSON.stringify(machines),
    AGENT_URL: agent.url,
    AGENT_SHA256: agent.sha256,
    ...options.environment,
  };
}

/** Of a machine of this computer: what it needs to find the emulated services, and nobody else's. */
export const machineSurroundings = (endpoints: MachineEndpoints): Record<string, string> => ({
  AWS_REGION: LOCAL_REGION,
  AWS_ACCESS_KEY_ID: LOCAL_CREDENTIALS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: LOCAL_CREDENTIALS.secretAccessKey,
  // A profile of the person at this machine must have no say.
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_ENDPOINT_URL_SQS: endpoints.sqs,
  AWS_ENDPOINT_URL_S3: endpoints.s3,
  SHOAL_METADATA_URL: endpoints.metadata,
  // Asking a stub costs nothing.
  SHOAL_NOTICE_SECONDS: '1',
  SHOAL_NODE: process.execPath,
});
