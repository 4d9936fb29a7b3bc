/** The packaged template with what the other clouds add to it, as a deployment that declares them would have it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { cloudsSchema } from '../../core/clouds.ts';
import { referencesIn } from '../../plugins/tidy.ts';
import { functionRoleLogicalId, otherCloudResources, REACHING_FUNCTIONS } from '../../resources/other-clouds.ts';
import { AZURE_CLOUD, GCP_CLOUD } from '../factories/clouds.ts';
import { type PackagedStack, packageStack, STAGE } from './packaged-stack.ts';

const added = otherCloudResources(cloudsSchema.parse({ gcp: GCP_CLOUD, azure: AZURE_CLOUD }), STAGE);
let stack: PackagedStack;

beforeAll(async () => {
  stack = await packageStack();
});

describe('a stack without other clouds', () => {
  it('lets no function say who it is, and trusts nobody from outside', () => {
    const text = JSON.stringify(stack.resources);

    expect(text).not.toContain('sts:GetWebIdentityToken');
    expect(text).not.toContain('AssumeRoleWithWebIdentity');
  });
});

describe('the roles of functions that reach other clouds', () => {
  it.each(REACHING_FUNCTIONS)('is named as azure/identities.tf trusts it: %s', (name) => {
    const { RoleName, Path = '/' } = stack.get(functionRoleLogicalId(name)).Properties;

    expect(RoleName).toEqual({ 'Fn::Join': ['-', ['shoal', STAGE, name, { Ref: 'AWS::Region' }, 'lambdaRole']] });
    expect(Path).toBe('/');
  });
});

describe('what other clouds add', () => {
  it('refers to nothing that the stack does not have', () => {
    const known = [...Object.keys(stack.resources), ...Object.keys(added)];

    expect(Object.keys(stack.resources).filter((logicalId) => logicalId in added)).toEqual([]);
    for (const logicalId of referencesIn(added)) expect(known).toContain(logicalId);
  });

  const hasLinter = spawnSync('cfn-lint', ['--version']).status === 0;

  it.skipIf(!hasLinter)('passes cfn-lint with all the rest (skipped where that is not installed)', async () => {
    const template = JSON.parse(await readFile(stack.templatePath, 'utf8'));
    const path = join(temporaryFolder(), 'template.json');
    await writeFile(path, JSON.stringify({ ...template, Resources: { ...template.Resources, ...added } }));

    expect(() => execFileSync('cfn-lint', [path], { encoding: 'utf8' })).not.toThrow();
  });
});
