/** What the functions on GCP are told: by gcp/main.tf, or by a test. */
import { z } from 'zod';
import { parsedJson } from '../../adapters/parsed-json.ts';
import { gcpCloudSchema } from '../../core/clouds.ts';
import { parseEnvironment } from '../../functions/environment.ts';

const common = {
  STAGE: z.string().min(1),
  /** Instead of the metadata server of the platform. */
  METADATA_URL: z.url().optional(),
};

const bridgeSchema = z.object({
  ...common,
  /** Of the stack on AWS. */
  AWS_REGION: z.string().min(1),
  AWS_ROLE_ARN: z.string().startsWith('arn:', 'must be the ARN of a role'),
  STATUS_QUEUE_URL: z.url(),
  DEAD_LETTERS_QUEUE_URL: z.url(),
  /** For an emulator on this machine, which takes any credentials. */
  SQS_ENDPOINT: z.url().optional(),
  STS_ENDPOINT: z.url().optional(),
});
export type BridgeConfig = Readonly<z.infer<typeof bridgeSchema>>;

const reaperSchema = z.object({
  ...common,
  /** What `fleets.yml` declares as `clouds.gcp`, as JSON. */
  CLOUD: z.string().transform(parsedJson).pipe(gcpCloudSchema),
});
export type ReaperConfig = Readonly<z.infer<typeof reaperSchema>>;

export const bridgeConfig = (): BridgeConfig => parseEnvironment(bridgeSchema, process.env);
export const reaperConfig = (): ReaperConfig => parseEnvironment(reaperSchema, process.env);
