/** The whole examination of a deployment, in the order in which it is told. */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { awsWebIdentity } from '../../adapters/identity/aws-web-identity.ts';
import type { Clouds } from '../../core/clouds.ts';
import { type Fleet, fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import type { Clock } from '../../core/ports.ts';
import { parseDocument } from '../../core/validation.ts';
import { awsChecks, checkFederation, checkIdentity } from './aws-checks.ts';
import { awsClients } from './aws-clients.ts';
import { azureChecks } from './azure-checks.ts';
import { bridgeChecks } from './bridge-checks.ts';
import { type Finding, failed, skipped, told } from './finding.ts';
import { gcpChecks } from './gcp-checks.ts';
import { type Check, runChecks } from './run-checks.ts';
import { secretChecks } from './secret-checks.ts';

export interface Examination {
  readonly fleetsFile: string;
  readonly stage: string;
  readonly region: string | undefined;
  readonly limitMs: number;
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export async function examine(examination: Examination): Promise<Finding[]> {
  const { fleetsFile, stage, region, limitMs, environment } = examination;
  const fleetsText = await readFile(fleetsFile, 'utf8').catch(() => '');
  const declared = declaredIn(fleetsText);
  if ('status' in declared) return [declared];
  const clients = awsClients(region);
  const known = await runChecks([{ what: 'AWS identity', run: () => checkIdentity(clients) }], limitMs);
  const isKnown = known.every(({ status }) => status === 'ok');
  const onAws = awsChecks({ clients, stage, fleets: declared.fleets });
  const between = linkChecks(declared, clients, examination);
  const secrets = secretChecks({ lambda: isKnown ? clients.lambda : undefined, stage, fleetsText, environment });
  const checks = isKnown ? [...onAws, ...between, ...secrets] : secrets;
  const unseen = isKnown ? [] : [...onAws, ...between].map(({ what }) => skipped(what, 'needs an AWS identity'));
  return [...known, ...unseen, ...noOtherCloud(declared), ...(await runChecks(checks, limitMs))];
}

interface Declared {
  readonly fleets: readonly Fleet[];
  readonly clouds: Clouds;
}

function declaredIn(fleetsText: string): Declared | Finding {
  try {
    const file = parseDocument(fleetsFileSchema, parse(fleetsText), 'fleets.yml');
    return { fleets: fleetsOf(file), clouds: file.clouds };
  } catch (error) {
    return failed('fleets.yml', told(error), 'npx sls package, which says where it is wrong');
  }
}

const noOtherCloud = ({ clouds }: Declared): Finding[] =>
  clouds.gcp || clouds.azure ? [] : [skipped('other clouds', 'fleets.yml declares none')];

function linkChecks(
  { fleets, clouds }: Declared,
  clients: ReturnType<typeof awsClients>,
  { stage, clock }: Examination,
): Check[] {
  const { gcp, azure } = clouds;
  if (!gcp && !azure) return [];
  const shared = { stage, clock, webIdentity: awsWebIdentity(clients.overrides) };
  const of = (provider: 'gcp' | 'azure') => fleets.filter((fleet) => fleet.provider === provider);
  return [
    { what: 'outbound federation', run: () => checkFederation(clients) },
    ...(gcp ? gcpChecks({ ...shared, cloud: gcp, fleets: of('gcp') }) : []),
    ...(azure ? azureChecks({ ...shared, cloud: azure, fleets: of('azure') }) : []),
    ...bridgeChecks(clients.iam, stage, clouds),
  ];
}
