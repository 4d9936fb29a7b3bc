/** What the supervisor tells the function host once the emulators stand. It comes as one message, checked here. */
import { z } from 'zod';

export const hostConfigurationSchema = z.object({
  templatePath: z.string(),
  /** Where each function's package is unpacked, a folder a function. */
  functionsDirectory: z.string(),
  /** Reads as `LAMBDA_TASK_ROOT` instead of the function's own folder: there lies the `fleets.yml` of this run. */
  taskRoot: z.string().optional(),
  logsDirectory: z.string(),
  queueUrlPrefix: z.string(),
  endpoints: z.object({ sqs: z.string(), dynamodb: z.string(), s3: z.string(), states: z.string() }),
  /** Comes over what the template says, for every function. */
  environment: z.record(z.string(), z.string()),
  tickSeconds: z.number().positive(),
  /** Whose machines are ended when the supervisor dies. */
  instancesDirectory: z.string(),
});
export type HostConfiguration = z.infer<typeof hostConfigurationSchema>;

/** From the supervisor: once, after `listening`. */
export const hostRequestSchema = z.object({ configure: hostConfigurationSchema });

/** To the supervisor. */
export type HostReply =
  | { readonly listening: true; readonly apiUrl: string; readonly lambdaUrl: string }
  | { readonly ready: true; readonly apiUrl: string; readonly lambdaUrl: string }
  | { readonly failed: string };
