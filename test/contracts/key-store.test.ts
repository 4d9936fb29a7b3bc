import { DynamoKeyStore } from '../../adapters/aws/dynamodb-key-store.ts';
import { InMemoryKeyStore } from '../fakes/in-memory-key-store.ts';
import { useAwsWorld } from './aws-world.ts';
import { describeKeyStoreContract } from './key-store.ts';

describeKeyStoreContract('in memory', async () => new InMemoryKeyStore());

const world = useAwsWorld();
describeKeyStoreContract(
  'DynamoDB',
  async () => new DynamoKeyStore({ client: world().dynamodb, table: await world().keysTable() }),
);
