/** Which queue feeds which function: the event source mappings of the template. */
import { z } from 'zod';
import type { StackTemplate } from '../template.ts';

export interface QueueMapping {
  readonly queueName: string;
  readonly queueArn: string;
  readonly functionArn: string;
  readonly batchSize: number;
  readonly batchingWindowSeconds: number;
  readonly maximumConcurrency: number;
  readonly reportsItemFailures: boolean;
}

const propertiesSchema = z.object({
  EventSourceArn: z.string(),
  FunctionName: z.string(),
  BatchSize: z.number().default(10),
  MaximumBatchingWindowInSeconds: z.number().default(0),
  FunctionResponseTypes: z.array(z.string()).default([]),
  ScalingConfig: z.object({ MaximumConcurrency: z.number().optional() }).default({}),
  // A filter deletes what it does not match: ignoring it would deliver other messages here than there.
  FilterCriteria: z.never({ error: 'filters of event source mappings are not understood by the local run' }).optional(),
  Enabled: z.boolean().default(true),
});

/** Reads the mappings of SQS queues. @throws TemplateError for a mapping that cannot be followed here */
export function queueMappingsOf(stack: StackTemplate): QueueMapping[] {
  return stack
    .resourcesOf('AWS::Lambda::EventSourceMapping', propertiesSchema)
    .filter(({ properties }) => properties.Enabled && properties.EventSourceArn.startsWith('arn:aws:sqs:'))
    .map(({ properties }) => ({
      queueName: properties.EventSourceArn.replace(/^.*:/, ''),
      queueArn: properties.EventSourceArn,
      functionArn: properties.FunctionName,
      batchSize: properties.BatchSize,
      batchingWindowSeconds: properties.MaximumBatchingWindowInSeconds,
      maximumConcurrency: properties.ScalingConfig.MaximumConcurrency ?? Number.POSITIVE_INFINITY,
      reportsItemFailures: properties.FunctionResponseTypes.includes('ReportBatchItemFailures'),
    }));
}
