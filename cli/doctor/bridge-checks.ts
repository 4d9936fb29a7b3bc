/** Looks at the roles that the bridges of other clouds take: are they there, and do they trust one subject for one audience? */
import { GetRoleCommand, type IAMClient } from '@aws-sdk/client-iam';
import { z } from 'zod';
import { awsCodeOf } from '../../adapters/aws/aws-errors.ts';
import { azureBridgeClaims, gcpBridgeClaims, type PinnedClaims } from '../../adapters/identity/bridge-trust.ts';
import { parsedJson } from '../../adapters/parsed-json.ts';
import { bridgeRoleName, type Clouds } from '../../core/clouds.ts';
import { type Deployment, deployCommand } from './aws-checks.ts';
import { type Finding, failed, ok } from './finding.ts';
import type { Check } from './run-checks.ts';

export function bridgeChecks(iam: IAMClient, deployment: Deployment, { gcp, azure }: Clouds): readonly Check[] {
  const { stage } = deployment;
  const check = (cloud: 'gcp' | 'azure', what: string, claims: PinnedClaims): Check => ({
    what,
    run: () => checkTrust(iam, { what, deployment, roleName: bridgeRoleName(cloud, stage), claims }),
  });
  return [
    ...(gcp ? [check('gcp', 'GCP → AWS', gcpBridgeClaims(gcp, stage))] : []),
    ...(azure ? [check('azure', 'Azure → AWS', azureBridgeClaims(azure))] : []),
  ];
}

const trustSchema = z.object({
  Statement: z.array(
    z.object({
      Effect: z.string(),
      Action: z.union([z.string(), z.array(z.string())]),
      Condition: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
    }),
  ),
});

interface Trust {
  readonly what: string;
  readonly deployment: Deployment;
  readonly roleName: string;
  readonly claims: PinnedClaims;
}

async function checkTrust(iam: IAMClient, { what, deployment, roleName, claims }: Trust): Promise<Finding> {
  const document = await trustOf(iam, roleName);
  if (document === undefined) return failed(what, `the role ${roleName} is not there`, deployCommand(deployment));
  const trust = trustSchema.safeParse(parsedJson(document));
  const allowed = trust.success ? trust.data.Statement.filter(({ Effect }) => Effect === 'Allow') : [];
  // One statement that is wider than it should be is enough to let anybody in.
  const isPinned =
    allowed.length > 0 && allowed.every(({ Condition }) => pins(Condition['StringEquals'] ?? {}, claims));
  if (isPinned) return ok(what, `${roleName} trusts one subject, for one audience`);
  const wrong = `${roleName} does not pin ${Object.keys(claims).join(', ')} as fleets.yml has them`;
  return failed(what, wrong, deployCommand(deployment));
}

const pins = (condition: Readonly<Record<string, unknown>>, claims: PinnedClaims): boolean =>
  Object.entries(claims).every(([key, value]) => [condition[key]].flat().join() === value);

/** IAM answers with a document in URL encoding ("GetRole"). @returns `undefined` when there is no such role */
async function trustOf(iam: IAMClient, RoleName: string): Promise<string | undefined> {
  try {
    const { Role } = await iam.send(new GetRoleCommand({ RoleName }));
    return decodeURIComponent(Role?.AssumeRolePolicyDocument ?? '');
  } catch (error) {
    if (/^NoSuchEntity/.test(awsCodeOf(error))) return undefined;
    throw error;
  }
}
