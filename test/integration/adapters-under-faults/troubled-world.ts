/**
 * The emulators with faults on, for adapters, and without any for the test's own hands: what it sets up and looks at
 * meets none.
 */
import { afterAll, beforeAll } from 'vitest';
import {
  type ClientOverrides,
  createDynamoClient,
  createS3Client,
  createSfnClient,
  createSqsClient,
} from '../../../adapters/aws/clients.ts';
import type { FaultRule } from '../../../local/emulators/faults/fault-rule.ts';
import { SPARED_HEADER } from '../../../local/emulators/faults/with-faults.ts';
import { AwsWorld, access } from '../../contracts/aws-world.ts';

/** Of the two kinds that a client takes, the one with tokens. */
type RetryStrategy = Extract<NonNullable<ClientOverrides['retryStrategy']>, { acquireInitialRetryToken: unknown }>;
type RetryToken = Awaited<ReturnType<RetryStrategy['acquireInitialRetryToken']>>;

/** The SDK's own judgement of what may be tried again, without its pauses. */
export function quickRetries(maxAttempts: number): RetryStrategy {
  const token = (retries: number): RetryToken => ({ getRetryCount: () => retries, getRetryDelay: () => 1 });
  return {
    acquireInitialRetryToken: async () => token(0),
    refreshRetryTokenForRetry: async (last, { errorType }) => {
      const retries = last.getRetryCount() + 1;
      const mayPass = errorType === 'THROTTLING' || errorType === 'TRANSIENT';
      if (!mayPass || retries >= maxAttempts) throw new Error('no further try');
      return token(retries);
    },
    recordSuccess: () => {},
  };
}

/** Calls of this client meet no faults. */
function spare<Client>(client: Client & { middlewareStack: Pick<AwsWorld['sqs']['middlewareStack'], 'add'> }): void {
  client.middlewareStack.add(
    (next) => (args) => {
      // Of an HTTP request, as every request is at this step.
      Object.assign((args.request as { headers: object }).headers, { [SPARED_HEADER]: 'off' });
      return next(args);
    },
    { step: 'build' },
  );
}

/** The clients for adapters, as the functions make them. */
export function troubledClients({ emulators }: AwsWorld, maxAttempts = 15) {
  const settings = (endpoint: string) => ({ ...access, endpoint, retryStrategy: quickRetries(maxAttempts) });
  return {
    sqs: createSqsClient(settings(emulators.sqsUrl)),
    dynamodb: createDynamoClient(settings(emulators.dynamodbUrl)),
    s3: createS3Client(settings(emulators.s3Url)),
    states: createSfnClient(settings(emulators.statesUrl)),
  };
}

export interface TroubledWorld {
  /** Its clients are spared. */
  readonly world: AwsWorld;
  readonly clients: ReturnType<typeof troubledClients>;
}

/**
 * Emulators for one test file.
 * @param rules on from the start; each must have struck by the end, or the file has proved nothing
 */
export function useTroubledWorld(
  rules: readonly FaultRule[],
  start: () => Promise<AwsWorld> = () => AwsWorld.start(),
): () => TroubledWorld {
  let troubled: TroubledWorld | undefined;
  beforeAll(async () => {
    const world = await start();
    spare(world.sqs);
    spare(world.dynamodb);
    spare(world.s3);
    spare(world.states);
    world.emulators.faults.set(rules);
    troubled = { world, clients: troubledClients(world) };
  });
  afterAll(async () => {
    const idle = troubled?.world.emulators.faults.report().filter((rule) => rule.injected === 0) ?? [];
    await troubled?.world.stop();
    if (idle.length > 0) throw new Error(`rules that never struck: ${JSON.stringify(idle)}`);
  });
  return () => {
    if (!troubled) throw new Error('the emulators are not up yet');
    return troubled;
  };
}
