/** `npm run key`: makes an API key for a deployment. The key is shown once; only its hash is stored. */
import { randomBytes, randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { awsCodeOf } from '../adapters/aws/aws-errors.ts';
import { createDynamoClient } from '../adapters/aws/clients.ts';
import { DynamoKeyStore } from '../adapters/aws/dynamodb-key-store.ts';
import { hashApiKey } from '../functions/http/authenticate.ts';
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

/** A wrong option is answered with what it should have been, not with a stack trace. */
function readArguments() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

const values = readArguments();
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
if (!values.name) {
  console.error(`--name is missing\n\n${HELP}`);
  process.exit(2);
}

const key = `shoal_${randomBytes(24).toString('base64url')}`;
const record = { keyId: randomUUID(), name: values.name, createdAt: new Date().toISOString() };
try {
  await asOperator(values.region, (region) => {
    const client = createDynamoClient({ region, maxAttempts: 2 });
    return new DynamoKeyStore({ client, table: `shoal-keys-${values.stage}` }).put(hashApiKey(key), record);
  });
} catch (error) {
  const isMissing = awsCodeOf(error) === 'ResourceNotFoundException';
  const why = isMissing
    ? `stage ${values.stage} is not deployed there`
    : error instanceof Error
      ? error.message
      : error;
  console.error(`the key could not be stored: ${why}`);
  process.exit(1);
}
console.log(key);
