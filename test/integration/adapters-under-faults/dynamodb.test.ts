/**
 * Every DynamoDB adapter holds its contract while DynamoDB throttles, fails, cancels transactions, leaves keys unprocessed
 * and loses answers (lesson 44, lesson 47).
 */
import { DynamoFleetStore } from '../../../adapters/aws/dynamodb-fleet-store.ts';
import { DynamoJobStore } from '../../../adapters/aws/dynamodb-job-store.ts';
import { DynamoKeyStore } from '../../../adapters/aws/dynamodb-key-store.ts';
import { DynamoTaskStore } from '../../../adapters/aws/dynamodb-task-store.ts';
import { describeFleetStoreContract } from '../../contracts/fleet-store.ts';
import { describeJobStoreContract } from '../../contracts/job-store.ts';
import { describeKeyStoreContract } from '../../contracts/key-store.ts';
import { describeTaskStoreContract } from '../../contracts/task-store.ts';
import { useTroubledWorld } from './troubled-world.ts';

const troubled = useTroubledWorld([
  { service: 'dynamodb', kind: 'throttle', probability: 0.1, seed: 1 },
  { service: 'dynamodb', kind: 'unavailable', probability: 0.05, seed: 2 },
  { service: 'dynamodb', kind: 'conflict', probability: 0.15, seed: 3 },
  { service: 'dynamodb', kind: 'lost-response', probability: 0.15, seed: 4 },
  { service: 'dynamodb', kind: 'partial', probability: 0.3, seed: 5 },
]);

async function jobsAndTasks() {
  const { world, clients } = troubled();
  const client = clients.dynamodb;
  const [jobsTable, tasksTable] = await Promise.all([world.jobsTable(), world.tasksTable()]);
  return {
    jobs: new DynamoJobStore({ client, table: jobsTable }),
    tasks: new DynamoTaskStore({ client, tasksTable, jobsTable }),
  };
}

describeJobStoreContract('DynamoDB under faults', jobsAndTasks);
describeTaskStoreContract('DynamoDB under faults', jobsAndTasks);
describeFleetStoreContract('DynamoDB under faults', async () => {
  const { world, clients } = troubled();
  return new DynamoFleetStore({ client: clients.dynamodb, table: await world.fleetsTable() });
});
describeKeyStoreContract('DynamoDB under faults', async () => {
  const { world, clients } = troubled();
  return new DynamoKeyStore({ client: clients.dynamodb, table: await world.keysTable() });
});
