/** The resources of the template as the services' own APIs take them. Properties without meaning on this machine fall away. */
import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb';
import { z } from 'zod';
import { LOCAL_ACCOUNT, LOCAL_REGION } from './physical-names.ts';

const QUEUE_ATTRIBUTES = [
  'DelaySeconds',
  'MaximumMessageSize',
  'MessageRetentionPeriod',
  'ReceiveMessageWaitTimeSeconds',
  'VisibilityTimeout',
] as const;

const count = z.coerce.number<number | string>().int();

export const queueSchema = z.object({
  QueueName: z.string(),
  DelaySeconds: count.optional(),
  MaximumMessageSize: count.optional(),
  MessageRetentionPeriod: count.optional(),
  ReceiveMessageWaitTimeSeconds: count.optional(),
  VisibilityTimeout: count.optional(),
  RedrivePolicy: z.object({ deadLetterTargetArn: z.string(), maxReceiveCount: count }).optional(),
});

/** What SetQueueAttributes takes: texts, the redrive policy as JSON. */
export function queueAttributes(queue: z.infer<typeof queueSchema>): Record<string, string> {
  const numbers = QUEUE_ATTRIBUTES.flatMap((name) => {
    const value = queue[name];
    return value === undefined ? [] : [[name, String(value)] as const];
  });
  const redrive = queue.RedrivePolicy && { RedrivePolicy: JSON.stringify(queue.RedrivePolicy) };
  return { ...Object.fromEntries(numbers), ...redrive };
}

const keySchema = z.array(z.object({ AttributeName: z.string(), KeyType: z.enum(['HASH', 'RANGE']) }));
const indexSchema = z.object({
  IndexName: z.string(),
  KeySchema: keySchema,
  Projection: z.object({
    ProjectionType: z.enum(['ALL', 'INCLUDE', 'KEYS_ONLY']),
    NonKeyAttributes: z.array(z.string()).optional(),
  }),
});

export const tableSchema = z.object({
  TableName: z.string(),
  AttributeDefinitions: z.array(z.object({ AttributeName: z.string(), AttributeType: z.enum(['S', 'N', 'B']) })),
  KeySchema: keySchema,
  GlobalSecondaryIndexes: z.array(indexSchema).optional(),
  LocalSecondaryIndexes: z.array(indexSchema).optional(),
  TimeToLiveSpecification: z.object({ AttributeName: z.string(), Enabled: z.boolean() }).optional(),
});
export type TableProperties = z.infer<typeof tableSchema>;

/** What CreateTable takes; time to live is set by a call of its own. */
export function tableInput({ TimeToLiveSpecification, ...table }: TableProperties): CreateTableCommandInput {
  const { GlobalSecondaryIndexes: global, LocalSecondaryIndexes: local, ...keys } = table;
  return {
    ...keys,
    BillingMode: 'PAY_PER_REQUEST',
    // An empty list is refused.
    ...(global && global.length > 0 ? { GlobalSecondaryIndexes: global.map(indexInput) } : {}),
    ...(local && local.length > 0 ? { LocalSecondaryIndexes: local.map(indexInput) } : {}),
  };
}

const indexInput = ({ Projection: { ProjectionType, NonKeyAttributes }, ...index }: z.infer<typeof indexSchema>) => ({
  ...index,
  Projection: { ProjectionType, ...(NonKeyAttributes ? { NonKeyAttributes } : {}) },
});

/** A bucket without a name is the deployment's own, for its packages. */
export const bucketSchema = z.object({ BucketName: z.string().optional() });

export const stateMachineSchema = z
  .object({
    StateMachineName: z.string(),
    DefinitionString: z.string(),
    RoleArn: z.string(),
    StateMachineType: z.literal('STANDARD').default('STANDARD'),
  })
  .transform(({ StateMachineName: name, DefinitionString: definition, RoleArn: roleArn }) => ({
    name,
    definition,
    roleArn,
    arn: `arn:aws:states:${LOCAL_REGION}:${LOCAL_ACCOUNT}:stateMachine:${name}`,
  }));
