/**
 * The process of the emulators. It says once on stdout, as one JSON line, and to its parent where each of them listens;
 * it ends on SIGTERM or with its parent. SIGINT is the supervisor's to answer: a terminal sends it to all of them.
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { type EmulatorOptions, startEmulators } from './start-emulators.ts';

const port = z.coerce.number().int().min(0).max(65_535).default(0);

const argumentsSchema = z.object({
  'sqs-port': port,
  'dynamodb-port': port,
  's3-port': port,
  'states-port': port,
  data: z.string().optional(),
  'lambda-endpoint': z.url().optional(),
});

function readOptions(): EmulatorOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      'sqs-port': text,
      'dynamodb-port': text,
      's3-port': text,
      'states-port': text,
      data: text,
      'lambda-endpoint': text,
    },
  });
  const given = argumentsSchema.parse(values);
  return {
    sqsPort: given['sqs-port'],
    dynamodbPort: given['dynamodb-port'],
    s3Port: given['s3-port'],
    statesPort: given['states-port'],
    ...(given.data !== undefined && { dataFolder: given.data }),
    ...(given['lambda-endpoint'] !== undefined && { lambdaEndpoint: given['lambda-endpoint'] }),
  };
}

async function main(): Promise<void> {
  process.on('SIGINT', () => {});
  // The parent may be gone before everything is up; there is nothing to put in order then.
  const endAtOnce = () => process.exit(0);
  process.once('disconnect', endAtOnce);
  const { stop, faults: _faults, restartQueues: _restart, ...urls } = await startEmulators(readOptions());
  process.off('disconnect', endAtOnce);
  const end = async () => {
    await stop();
    process.exit(0);
  };
  process.once('SIGTERM', () => void end());
  process.once('disconnect', () => void end());
  const ready = { ready: true, ...urls };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  process.send?.(ready);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
