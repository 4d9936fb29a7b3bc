import { Faults } from '../faults/faults.ts';
import { serveJsonProtocol } from '../protocol/json-protocol.ts';
import type { LoopbackServer } from '../protocol/loopback-server.ts';
import { RequestCounts } from '../protocol/request-counts.ts';
import { openStore } from './dynalite.ts';
import { dynamoDbInjections } from './dynamodb-faults.ts';
import { createDynamoDbHandler } from './dynamodb-service.ts';

/** Starts DynamoDB on the loopback address: in memory, or, with a path, in a LevelDB folder that survives restarts. */
export async function startDynamoDb(options: {
  port: number;
  path?: string;
  faults?: Faults;
}): Promise<LoopbackServer> {
  const store = openStore(options.path);
  const counts = new RequestCounts();
  const server = await serveJsonProtocol({
    name: 'DynamoDB',
    errorNamespace: 'com.amazonaws.dynamodb.v20120810',
    port: options.port,
    handle: createDynamoDbHandler(store, Date.now, counts),
    counts,
    faults: options.faults ?? new Faults(),
    faultedAs: 'dynamodb',
    injections: dynamoDbInjections(Date.now),
  });
  const stop = async () => {
    await server.stop();
    await store.db.close();
  };
  return { ...server, stop };
}
