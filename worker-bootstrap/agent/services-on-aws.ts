import { createSqsClient } from '../../adapters/aws/sqs-client.ts';
import { SqsStatusChannel } from '../../adapters/aws/sqs-status-channel.ts';
import { sqsTaskQueues } from '../../adapters/aws/sqs-task-queue.ts';
import type { AgentServices, ServicesConfig } from './services.ts';

export function servicesOnAws({
  bucket,
  queueUrlPrefix,
  stage,
  statusQueueUrl,
  instanceId,
}: ServicesConfig): AgentServices {
  const client = createSqsClient();
  return {
    queues: sqsTaskQueues({ client, queueUrlPrefix, stage }),
    status: new SqsStatusChannel({ client, queueUrl: statusQueueUrl, source: instanceId }),
    // S3's client is evaluated with the first lease.
    openBucket: async () => (await import('./bucket-on-aws.ts')).openBucket(bucket),
  };
}
