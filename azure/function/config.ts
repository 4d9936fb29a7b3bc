/** What the functions on Azure are told: by azure/functions.tf, or by a test. */
import { z } from 'zod';
import { parsedJson } from '../../adapters/parsed-json.ts';
import { azureCloudSchema } from '../../core/clouds.ts';
import { parseEnvironment } from '../../functions/environment.ts';

const schema = z.object({
  STAGE: z.string().min(1),
  /** What `fleets.yml` declares as `clouds.azure`, as JSON. */
  CLOUD: z.string().transform(parsedJson).pipe(azureCloudSchema),
  /** The queues of all fleets there, with commas between them. */
  TASK_QUEUES: z.string().transform((text) => text.split(',').filter(Boolean)),
  /** Of the stack on AWS. */
  AWS_REGION: z.string().min(1),
  AWS_ROLE_ARN: z.string().startsWith('arn:', 'must be the ARN of a role'),
  STATUS_QUEUE_URL: z.url(),
  DEAD_LETTERS_QUEUE_URL: z.url(),
  /** The managed identity that the functions act as, where the platform hands its tokens out, and by what secret. */
  CLIENT_ID: z.string().min(1),
  IDENTITY_ENDPOINT: z.url().default('http://127.0.0.1'),
  IDENTITY_HEADER: z.string().default(''),
  /** For an emulator on this machine, which takes any credentials. */
  SQS_ENDPOINT: z.url().optional(),
  STS_ENDPOINT: z.url().optional(),
  /** So long a batch is held back that could not be carried. */
  PAUSE_SECONDS: z.coerce.number().nonnegative().default(10),
});
export type FunctionsConfig = Readonly<z.infer<typeof schema>>;

export const functionsConfig = (): FunctionsConfig => parseEnvironment(schema, process.env);
