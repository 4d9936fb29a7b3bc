import { DynamoFleetStore } from '../../adapters/aws/dynamodb-fleet-store.ts';
import { InMemoryFleetStore } from '../fakes/in-memory-fleet-store.ts';
import { useAwsWorld } from './aws-world.ts';
import { describeFleetStoreContract } from './fleet-store.ts';

describeFleetStoreContract('in memory', async () => new InMemoryFleetStore());

const world = useAwsWorld();
describeFleetStoreContract(
  'DynamoDB',
  async () => new DynamoFleetStore({ client: world().dynamodb, table: await world().fleetsTable() }),
);
