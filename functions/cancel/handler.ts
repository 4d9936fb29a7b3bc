/** `DELETE /v1/jobs/{jobId}` and `DELETE /v1/tasks/{taskId}`: wiring only. */
import { createDynamoClient, createS3Client, createSqsClient } from '../../adapters/aws/clients.ts';
import { DynamoKeyStore } from '../../adapters/aws/dynamodb-key-store.ts';
import { accountingPorts } from '../accounting-ports.ts';
import { deploymentServices } from '../clouds/deployment-services.ts';
import { apiHandler } from '../http/api-handler.ts';
import { jobIdOf, taskPositionOf } from '../http/path-parameters.ts';
import { cancelJob } from './cancel-job.ts';
import { type CancelTaskPorts, cancelTask } from './cancel-task.ts';
import { config } from './config.ts';

const dynamodb = createDynamoClient();

const sqs = createSqsClient();
const { queues, control } = deploymentServices(config, { sqs, s3: createS3Client() });

const ports: CancelTaskPorts = { ...accountingPorts(config, { dynamodb, sqs, queues }), control };

export const handler = apiHandler({
  keys: new DynamoKeyStore({ client: dynamodb, table: config.KEYS_TABLE }),
  routes: {
    'DELETE /v1/jobs/{jobId}': async (request) => ({ status: 202, body: await cancelJob(jobIdOf(request), ports) }),
    'DELETE /v1/tasks/{taskId}': async (request) => {
      const { task, hadEnded } = await cancelTask(taskPositionOf(request), ports);
      return { status: hadEnded ? 200 : 202, body: task };
    },
  },
});
