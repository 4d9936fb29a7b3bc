/** The whole examination of a deployment, in the order in which it is told. */
import { awsWebIdentity } from '../../adapters/identity/aws-web-identity.ts';
import type { Clock } from '../../core/ports.ts';
import { regionOfSdk } from '../asking-aws.ts';
import { awsChecks, checkFederation, type Deployment } from './aws-checks.ts';
import { type AwsClients, awsClients } from './aws-clients.ts';
import { checkIdentity } from './aws-identity.ts';
import { azureChecks } from './azure-checks.ts';
import { bridgeChecks } from './bridge-checks.ts';
import { type Declared, readDeclared, undeclaredClouds } from './declared.ts';
import { type Finding, failed, skipped } from './finding.ts';
import { gcpChecks } from './gcp-checks.ts';
import { type Check, runChecks } from './run-checks.ts';
import { secretChecks } from './secret-checks.ts';

export interface Examination {
  readonly fleetsFile: string;
  readonly stage: string;
  /** `undefined`: where the SDK would ask. */
  readonly region: string | undefined;
  readonly limitMs: number;
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export async function examine(examination: Examination): Promise<readonly Finding[]> {
  const { fleetsFile, stage, limitMs, environment, clock } = examination;
  const declared = await readDeclared(fleetsFile);
  if (!('fleets' in declared)) return declared;
  const region = examination.region ?? (await regionOfSdk());
  if (region === undefined) return [failed('AWS region', 'none is named', NAME_REGION)];
  const clients = awsClients(region);
  const asking = { region, profile: environment['AWS_PROFILE'] };
  const known = await runChecks([{ what: 'AWS identity', run: () => checkIdentity(clients, asking) }], limitMs);
  const isKnown = known.every(({ status }) => status === 'ok');
  const onAws = awsChecks({ clients, stage, region, fleets: declared.fleets });
  const between = linkChecks(declared, { clients, stage, region, clock });
  const lambda = isKnown ? clients.lambda : undefined;
  const secrets = secretChecks({ lambda, stage, fleetsText: declared.text, environment });
  const checks = isKnown ? [...onAws, ...between, ...secrets] : secrets;
  const unseen = isKnown ? [] : [...onAws, ...between].map(({ what }) => skipped(what, 'needs an AWS identity'));
  const clouds = [...undeclaredClouds(declared), ...noOtherCloud(declared)];
  return [...known, ...unseen, ...clouds, ...(await runChecks(checks, limitMs))];
}

/** Where `sls deploy` goes when nobody says where (serverless.yml). */
const NAME_REGION = 'npm run doctor -- --region us-east-1, or where the deployment is; or set AWS_REGION';

const noOtherCloud = ({ clouds }: Declared): Finding[] =>
  clouds.gcp || clouds.azure ? [] : [skipped('other clouds', 'fleets.yml declares none')];

interface Linking extends Deployment {
  readonly clients: AwsClients;
  readonly clock: Clock;
}

function linkChecks({ fleets, clouds }: Declared, { clients, stage, region, clock }: Linking): Check[] {
  const { gcp, azure } = clouds;
  if (!gcp && !azure) return [];
  const shared = { stage, clock, webIdentity: awsWebIdentity(clients.overrides) };
  const of = (provider: 'gcp' | 'azure') => fleets.filter((fleet) => fleet.provider === provider);
  return [
    { what: 'outbound federation', run: () => checkFederation(clients) },
    ...(gcp ? gcpChecks({ ...shared, cloud: gcp, fleets: of('gcp') }) : []),
    ...(azure ? azureChecks({ ...shared, cloud: azure, fleets: of('azure') }) : []),
    ...bridgeChecks(clients.iam, { stage, region }, clouds),
  ];
}
