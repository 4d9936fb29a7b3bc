import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { DynamoTaskStore } from '../../adapters/aws/dynamodb-task-store.ts';
import { InMemoryJobStore } from '../fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../fakes/in-memory-tables.ts';
import { InMemoryTaskStore } from '../fakes/in-memory-task-store.ts';
import { useAwsWorld } from './aws-world.ts';
import { describeJobStoreContract } from './job-store.ts';

describeJobStoreContract('in memory', async () => {
  const tables = new InMemoryTables();
  return { jobs: new InMemoryJobStore(tables), tasks: new InMemoryTaskStore(tables) };
});

const world = useAwsWorld();
describeJobStoreContract('DynamoDB', async () => {
  const client = world().dynamodb;
  const jobsTable = await world().jobsTable();
  const tasksTable = await world().tasksTable();
  return {
    jobs: new DynamoJobStore({ client, table: jobsTable }),
    tasks: new DynamoTaskStore({ client, tasksTable, jobsTable }),
  };
});
