/** `npm run key`: makes an API key for a deployment. The key is shown once; only its hash is stored. */

import { randomBytes, randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { awsCodeOf } from '../adapters/aws/aws-errors.ts';
import { createDynamoClient } from '../adapters/aws/clients.ts';
import { DynamoKeyStore } from '../adapters/aws/dynamodb-key-store.ts';
import { hashApiKey } from '../functions/http/authenticate.ts';
import { argumentsOrExit } from '../local/arguments-or-exit.ts';
import { asOperator } from './asking-aws.ts';

const HELP = `Makes an API key and prints it, once.

  npm run key -- --name alice --stage dev --region us-east-1

  --name    whom the key is for (required)
  --stage   the deployment's stage (default: dev)
  --region  the deployment's region (default: the AWS SDK's own, such as AWS_REGION)

It writes to the table shoal-keys-<stage> with your own AWS credentials.`;

const OPTIONS = {
  name: { type: 'string' },
  stage: { type: 'string', default: 'dev' },
  region: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

function readArguments() {
  const { help, name, stage, region } = parseArgs({ options: OPTIONS }).values;
  if (help) return 'help';
  if (!name) throw new Error('--name is missing');
  return { name, stage, region };
}

const { name, stage, region: named } = await argumentsOrExit(HELP, readArguments);
const key = `shoal_${randomBytes(24).toString('base64url')}`;
const record = { keyId: randomUUID(), name, createdAt: new Date().toISOString() };
try {
  await asOperator(named, (region) => {
    const client = createDynamoClient({ region, maxAttempts: 2 });
    return new DynamoKeyStore({ client, table: `shoal-keys-${stage}` }).put(hashApiKey(key), record);
  });
} catch (error) {
  const isMissing = awsCodeOf(error) === 'ResourceNotFoundException';
  const why = isMissing ? `stage ${stage} is not deployed there` : error instanceof Error ? error.message : error;
  console.error(`the key could not be stored: ${why}`);
  process.exit(1);
}
console.log(key);
