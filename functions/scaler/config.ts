import { z } from 'zod';
import { READY_DEADLINE_SECONDS } from '../../core/machine-environment.ts';
import { parseEnvironment } from '../environment.ts';

export const config = parseEnvironment(
  z.object({
    STAGE: z.string().min(1),
    AWS_REGION: z.string().min(1),
    JOBS_TABLE: z.string().min(1),
    TASKS_TABLE: z.string().min(1),
    FLEETS_TABLE: z.string().min(1),
    BUCKET: z.string().min(1),
    QUEUE_URL_PREFIX: z.string().min(1),
    STATUS_QUEUE_URL: z.string().min(1),
    DELAYED_QUEUE_URL: z.string().min(1),
    STATE_MACHINE_ARN: z.string().min(1),
    LAMBDA_TASK_ROOT: z.string().min(1),
    /** Where machines of the local run fetch the agent. */
    AGENT_URL: z.string().optional(),
    /** What the agent must hash to, and bootstrap.sh; machines on EC2 know it from their template. */
    AGENT_SHA256: z.string().optional(),
    BOOTSTRAP_SHA256: z.string().default(''),
    /** The local run: machines are processes, their files lie here. */
    LOCAL_INSTANCES_DIR: z.string().optional(),
    LOCAL_BOOTSTRAP: z.string().optional(),
    /** How many tasks a local machine runs at a time. */
    LOCAL_SLOTS: z.coerce.number().int().min(1).max(1_000).default(1),
    /** Instead of each fleet's own. */
    DRAIN_TARGET_SECONDS: z.coerce.number().positive().optional(),
    BOOT_SECONDS: z.coerce.number().positive().default(60),
    /** What a lease may be longer than its task's time limit: a checkout (SHOAL_SETUP_SECONDS) and the grace. */
    LEASE_ALLOWANCE_SECONDS: z.coerce.number().nonnegative().default(660),
    /** How long the counts of a queue may be behind. */
    SETTLE_SECONDS: z.coerce.number().nonnegative().default(60),
    /** Instead of core/fleet-trouble.ts: so long a cloud may not answer until jobs leave its fleets. */
    LEAVE_CLOUD_SECONDS: z.coerce.number().nonnegative().optional(),
    READY_DEADLINE_SECONDS: z.coerce.number().positive().default(READY_DEADLINE_SECONDS),
    /** Counts of the status queue come true within so long: until then it may not be as empty as it seems. */
    STATUS_SETTLE_SECONDS: z.coerce.number().nonnegative().default(60),
    /** Where machines are launched; several with commas between them. */
    SUBNET_IDS: z
      .string()
      .default('')
      .transform((text) => text.split(',').filter(Boolean)),
    /** What they boot: an AMI, or `resolve:ssm:` and a parameter that names one. */
    IMAGE_ARM64: z.string().default(''),
    IMAGE_X86_64: z.string().default(''),
    /** What local machines get beside their launch request (where the emulated services are), as JSON. */
    LOCAL_MACHINE_ENVIRONMENT: z
      .string()
      .default('{}')
      .transform((text) => z.record(z.string(), z.string()).parse(JSON.parse(text))),
  }),
  process.env,
);
