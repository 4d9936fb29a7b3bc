/** The agent's settings, parsed from the environment once; every fault is reported at once. Nothing else reads it. */
import { randomBytes } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { availableParallelism, hostname, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { FLEET_NAME, SERVICES, type Services } from '../../core/ids.ts';
import { usableMemoryMiB } from '../../core/usable-memory.ts';
import { parseDocument } from '../../core/validation.ts';
import type { Capacity } from './capacity.ts';
import type { TaskUser } from './task-user.ts';

const text = z.string({ error: 'is required' }).min(1, { error: 'must not be empty', abort: true });
const number = text.regex(/^\d+(\.\d+)?$/, 'must be a number').transform(Number);
const seconds = number.refine((value) => value <= 604_800, 'must be at most a week (604800)');
const positive = number.refine((value) => value > 0, 'must be more than 0');
const whole = number.refine(Number.isInteger, 'must be a whole number');

const environmentSchema = z.object({
  SHOAL_STAGE: text,
  SHOAL_FLEET: text.regex(FLEET_NAME, 'must be the name of a fleet'),
  SHOAL_INSTANCE_ID: text.optional(),
  SHOAL_SLOTS: whole.refine((slots) => slots >= 1 && slots <= 1_000, 'must be 1 to 1000').optional(),
  SHOAL_SLOT_VCPU: positive.default(1),
  SHOAL_SLOT_MEMORY_MIB: positive.default(1_024),
  SHOAL_SLOT_DISK_GIB: positive.default(5),
  SHOAL_VCPUS: positive.optional(),
  SHOAL_MEMORY_MIB: positive.optional(),
  SHOAL_DISK_GIB: positive.optional(),
  SHOAL_IDLE_SECONDS: z.union([seconds, z.literal('never').transform(() => Number.POSITIVE_INFINITY)], {
    error: 'must be a number of seconds, at most a week (604800), or never',
  }),
  SHOAL_MAX_LIFETIME_SECONDS: seconds,
  SHOAL_QUEUE_URL_PREFIX: z.url({ error: 'must be a URL' }),
  SHOAL_STATUS_QUEUE_URL: z.url({ error: 'must be a URL' }),
  SHOAL_BUCKET: text,
  /** Given by bootstrap.sh, where commands run as a user of their own. */
  SHOAL_TASK_UID: whole.refine((uid) => uid > 0, 'must not be root').optional(),
  SHOAL_TASK_GID: whole.optional(),
  SHOAL_WORK_DIR: text.startsWith('/', 'must be an absolute path'),
  SHOAL_GRACE_SECONDS: seconds.default(30),
  SHOAL_CANCEL_GRACE_SECONDS: seconds.default(10),
  SHOAL_LEASE_GRACE_SECONDS: seconds.default(60),
  SHOAL_SETUP_SECONDS: seconds.default(600),
  SHOAL_CONTROL_SECONDS: seconds.default(15),
  SHOAL_MAX_RESULT_BYTES: whole.default(100 * 1024 * 1024),
  SHOAL_MAX_CHECKPOINT_BYTES: whole.default(1024 * 1024 * 1024),
  SHOAL_MAX_LOG_BYTES: whole.default(256 * 1024),
  SHOAL_MAX_CHECKOUTS: whole.refine((count) => count >= 1, 'must be 1 or more').default(20),
  SHOAL_MIN_FREE_DISK_MIB: number.default(1_024),
  SHOAL_POLL_SECONDS: whole.refine((poll) => poll >= 1 && poll <= 20, 'must be 1 to 20').default(10),
  SHOAL_PROVIDER: z.enum(['aws', 'gcp', 'azure', 'external']).default('external'),
  /** Whose queues, status channel and bucket the addresses are of. */
  SHOAL_SERVICES: z.enum(SERVICES).default('aws'),
  /** Where the provider's metadata server is, if not where it always is. */
  SHOAL_METADATA_URL: z.url({ error: 'must be a URL' }).optional(),
  SHOAL_NOTICE_SECONDS: positive.default(5),
  /** The local run keeps its credentials here, as files. */
  SHOAL_CREDENTIALS_DIR: text.optional(),
  PATH: z.string().default('/usr/local/bin:/usr/bin:/bin'),
});

/** What the agent needs to know to lease and run tasks. */
export interface WorkSettings {
  readonly fleet: string;
  readonly instanceId: string;
  /** What the machine has for tasks; a slot of the fleet always fits. */
  readonly capacity: Capacity;
  /** What a task takes that names no resources of its own. */
  readonly slot: Capacity;
  /** The machine ends itself when no message came for so long; infinite for one that waits, however long it takes. */
  readonly idleSeconds: number;
  readonly maxLifetimeSeconds: number;
  /** An absolute path; everything the agent writes lies below it. */
  readonly workDir: string;
  /** Whom commands run as; `null`: as the agent. */
  readonly taskUser: TaskUser | null;
  /** Between SIGTERM and SIGKILL. */
  readonly graceSeconds: number;
  /** The same for work that is cancelled: it shall be over within 30 s, and up to half of that pass until we know. */
  readonly cancelGraceSeconds: number;
  /** What a lease is longer than the work it covers. */
  readonly leaseGraceSeconds: number;
  /** What the checkout of a commit may take; the lease allows for it, and for the time limit of the job's `setup`. */
  readonly setupSeconds: number;
  readonly controlSeconds: number;
  /** How long a poll waits on an empty queue. A shutdown waits for the poll in flight. */
  readonly pollSeconds: number;
  /** A larger result fails its task. */
  readonly maxResultBytes: number;
  /** A larger checkpoint is not kept. */
  readonly maxCheckpointBytes: number;
  /** So much of what a task prints is kept. */
  readonly maxLogBytes: number;
  /** So many checkouts are kept. */
  readonly maxCheckouts: number;
  /** With less of the disk free, checkouts that are not in use are removed. */
  readonly minFreeDiskMiB: number;
  /** PATH for the task's command. */
  readonly commandPath: string;
}

export interface AgentConfig extends WorkSettings {
  readonly stage: string;
  readonly queueUrlPrefix: string;
  readonly statusQueueUrl: string;
  readonly bucket: string;
  /** Whose queues, status channel and bucket the addresses are of. */
  readonly services: Services;
  /** Whose notices of an interruption are heeded. */
  readonly provider: 'aws' | 'gcp' | 'azure' | 'external';
  /** `null`: the provider's own. */
  readonly metadataUrl: string | null;
  /** How often a provider is asked that does not keep the question open. */
  readonly noticeSeconds: number;
  /** `null`: credentials are in the parameter store. */
  readonly credentialsDir: string | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The settings in an environment.
 * @throws ValidationError naming every variable that is missing or wrong
 */
export function parseAgentConfig(environment: Environment = process.env): AgentConfig {
  // It is read once: a parser compiled for it would cost more than it saves.
  const parsed = parseDocument(environmentSchema, environment, "the agent's environment", { jitless: true });
  return Object.freeze({
    stage: parsed.SHOAL_STAGE,
    fleet: parsed.SHOAL_FLEET,
    instanceId: parsed.SHOAL_INSTANCE_ID ?? newInstanceId(hostname()),
    ...capacityOf(parsed),
    idleSeconds: parsed.SHOAL_IDLE_SECONDS,
    maxLifetimeSeconds: parsed.SHOAL_MAX_LIFETIME_SECONDS,
    queueUrlPrefix: parsed.SHOAL_QUEUE_URL_PREFIX,
    statusQueueUrl: parsed.SHOAL_STATUS_QUEUE_URL,
    bucket: parsed.SHOAL_BUCKET,
    services: parsed.SHOAL_SERVICES,
    provider: parsed.SHOAL_PROVIDER,
    metadataUrl: parsed.SHOAL_METADATA_URL ?? null,
    noticeSeconds: parsed.SHOAL_NOTICE_SECONDS,
    credentialsDir: parsed.SHOAL_CREDENTIALS_DIR ?? null,
    workDir: parsed.SHOAL_WORK_DIR,
    taskUser: taskUserOf(parsed),
    graceSeconds: parsed.SHOAL_GRACE_SECONDS,
    cancelGraceSeconds: parsed.SHOAL_CANCEL_GRACE_SECONDS,
    leaseGraceSeconds: parsed.SHOAL_LEASE_GRACE_SECONDS,
    setupSeconds: parsed.SHOAL_SETUP_SECONDS,
    controlSeconds: parsed.SHOAL_CONTROL_SECONDS,
    pollSeconds: parsed.SHOAL_POLL_SECONDS,
    maxResultBytes: parsed.SHOAL_MAX_RESULT_BYTES,
    maxCheckpointBytes: parsed.SHOAL_MAX_CHECKPOINT_BYTES,
    maxLogBytes: parsed.SHOAL_MAX_LOG_BYTES,
    maxCheckouts: parsed.SHOAL_MAX_CHECKOUTS,
    minFreeDiskMiB: parsed.SHOAL_MIN_FREE_DISK_MIB,
    commandPath: withOwnNode(parsed.PATH),
  });
}

const taskUserOf = ({ SHOAL_TASK_UID: uid, SHOAL_TASK_GID: gid }: z.infer<typeof environmentSchema>) =>
  uid === undefined ? null : { uid, gid: gid ?? uid };

/**
 * A machine that nobody launched has a name, but each start of its agent is a machine of its own to the control plane: an
 * end is never taken back, and what an earlier start held must not be taken for what this one holds.
 */
const newInstanceId = (name: string): string =>
  `${name.replaceAll(/[^A-Za-z0-9.-]/g, '-').slice(0, MAX_NAME) || 'machine'}-${randomBytes(4).toString('hex')}`;

/** As long as a label of a host's name may be. */
const MAX_NAME = 63;

/** What is said of the machine goes; else so many slots; else what the machine itself has. */
function capacityOf(parsed: z.infer<typeof environmentSchema>): Pick<WorkSettings, 'capacity' | 'slot'> {
  const slots = parsed.SHOAL_SLOTS;
  const slot = {
    vcpus: parsed.SHOAL_SLOT_VCPU,
    memoryMiB: parsed.SHOAL_SLOT_MEMORY_MIB,
    diskGiB: parsed.SHOAL_SLOT_DISK_GIB,
  };
  const vcpus = parsed.SHOAL_VCPUS ?? (slots ? slots * slot.vcpus : availableParallelism());
  const memoryMiB =
    parsed.SHOAL_MEMORY_MIB ??
    (slots ? slots * slot.memoryMiB : usableMemoryMiB(memoryMiBOf(totalmem(), process.constrainedMemory())));
  const diskGiB = parsed.SHOAL_DISK_GIB ?? (slots ? slots * slot.diskGiB : freeDiskGiB(parsed.SHOAL_WORK_DIR));
  return {
    capacity: { vcpus, memoryMiB, diskGiB },
    slot: {
      vcpus: Math.min(slot.vcpus, vcpus),
      memoryMiB: Math.min(slot.memoryMiB, memoryMiB),
      diskGiB: Math.min(slot.diskGiB, diskGiB),
    },
  };
}

/**
 * The kernel keeps a part of what a machine is sold with, which comes in whole GiB. A container may use less than there is.
 * @param constrainedBytes 0, or more than there is: nothing constrains it
 */
export const memoryMiBOf = (totalBytes: number, constrainedBytes: number): number =>
  constrainedBytes > 0 && constrainedBytes < totalBytes
    ? Math.floor(constrainedBytes / 2 ** 20)
    : Math.ceil(totalBytes / 2 ** 30) * 1_024;

/** The disk is sold with room for the system beside that for tasks: what is free when the machine starts, in whole GiB. */
function freeDiskGiB(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return Math.max(1, Math.ceil((bavail * bsize) / 2 ** 30));
  } catch (error) {
    if (folder === '/') throw error;
    return freeDiskGiB(dirname(folder));
  }
}

/** A machine whose Node is not on the PATH still runs `node count.js`: the agent's own comes last. */
function withOwnNode(path: string): string {
  const own = dirname(process.execPath);
  return path.split(':').includes(own) ? path : `${path}:${own}`;
}
