/** Looks for keys where none should be: identities are federated, so a key that lies about can only leak. Values are never shown. */
import { readFile } from 'node:fs/promises';
import type { LambdaClient } from '@aws-sdk/client-lambda';
import { parsedJson } from '../../adapters/parsed-json.ts';
import { type Finding, failed, holdsCredential, ok, skipped } from './finding.ts';
import type { Check } from './run-checks.ts';
import { deployedFunction, FUNCTIONS } from './stack.ts';

export interface SecretChecksOptions {
  readonly lambda: LambdaClient | undefined;
  readonly stage: string;
  readonly fleetsText: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Variables that hold a key, or the path of one. */
const KEYS: ReadonlySet<string> = new Set([
  'AWS_SECRET_ACCESS_KEY',
  'AWS_ACCESS_KEY_ID',
  'AZURE_CLIENT_SECRET',
  'AZURE_CLIENT_CERTIFICATE_PATH',
  'AZURE_PASSWORD',
  'GOOGLE_APPLICATION_CREDENTIALS',
]);

export const secretChecks = (options: SecretChecksOptions): readonly Check[] => [
  { what: 'no key in functions', run: () => checkFunctions(options) },
  { what: 'no key in fleets.yml', run: async () => checkFleetsFile(options.fleetsText) },
  { what: 'no key around here', run: () => checkEnvironment(options.environment) },
];

async function checkFunctions({ lambda, stage }: SecretChecksOptions): Promise<Finding> {
  const what = 'no key in functions';
  if (!lambda) return skipped(what, 'needs an AWS identity');
  const deployed = await Promise.all(FUNCTIONS.map((name) => deployedFunction(lambda, stage, name)));
  const known = deployed.filter((each) => each !== undefined);
  if (known.length === 0) return skipped(what, 'nothing is deployed');
  const suspects = known.flatMap(({ name, environment }) =>
    Object.entries(environment)
      .filter(([variable, value]) => KEYS.has(variable) || holdsCredential(value))
      .map(([variable]) => `${variable} of shoal-${stage}-${name}`),
  );
  return suspects.length === 0
    ? ok(what, `${known.length} functions have none in their environment`)
    : failed(what, suspects.join(', '), 'take it out of serverless.yml, deploy, and revoke that key');
}

function checkFleetsFile(text: string): Finding {
  const what = 'no key in fleets.yml';
  return holdsCredential(text)
    ? failed(what, 'something in it looks like a key', 'take it out, and revoke that key')
    : ok(what, 'names and addresses alone');
}

/** A person may sign in to AWS as they like; for the other clouds no key is ever needed. */
async function checkEnvironment(environment: SecretChecksOptions['environment']): Promise<Finding> {
  const what = 'no key around here';
  const file = environment['GOOGLE_APPLICATION_CREDENTIALS'];
  const suspects = [
    ...(environment['AZURE_CLIENT_SECRET'] ? ['AZURE_CLIENT_SECRET'] : []),
    ...(file && (await isKeyFile(file)) ? ['GOOGLE_APPLICATION_CREDENTIALS (the key of a service account)'] : []),
  ];
  return suspects.length === 0
    ? ok(what, 'none for other clouds in this environment')
    : failed(what, suspects.join(', '), 'unset it, and delete that key: nothing here needs it');
}

/** There are files of that name without a key in them: those of workload identity federation. */
async function isKeyFile(path: string): Promise<boolean> {
  const document = parsedJson(await readFile(path, 'utf8').catch(() => ''));
  return typeof document === 'object' && document !== null && 'private_key' in document;
}
