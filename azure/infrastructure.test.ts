// biome-ignore-all lint/suspicious/noTemplateCurlyInString: expressions of Terraform, not of this language.
/** What Terraform says, held against what the code goes by. No provider is at hand here: nothing of it was ever planned. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AZURE_AUDIENCE } from '../adapters/identity/azure-from-aws.ts';
import { azureAddresses, azureCloudSchema, bridgeRoleName } from '../core/clouds.ts';
import { PRIORITIES, taskQueueName } from '../core/ids.ts';
import { REACHING_FUNCTIONS } from '../resources/other-clouds.ts';
import { azureCloudFactory } from '../test/clouds/azure/azure-cloud.ts';

const FOLDER = import.meta.dirname;
const read = (file: string): string => readFileSync(join(FOLDER, file), 'utf8');
const [main, queues, identities, functions] = ['main.tf', 'queues.tf', 'identities.tf', 'functions.tf'].map(read) as [
  string,
  string,
  string,
  string,
];
/** The names that are given a value in a block, by the line that opens it. */
function keysIn(text: string, opening: string): string[] {
  const begin = text.indexOf(opening);
  expect(begin, opening).toBeGreaterThanOrEqual(0);
  const block = text.slice(begin + opening.length, text.indexOf('\n  }', begin));
  return [...block.matchAll(/^ {4}(\w+) += /gm)].map(([, key = '']) => key);
}

const hasTerraform = spawnSync('terraform', ['version']).status === 0;

describe('the infrastructure on Azure', () => {
  it.skipIf(!hasTerraform)(
    'is in the format of Terraform, which reads it (skipped where that is not installed)',
    () => {
      const { status, stdout, stderr } = spawnSync('terraform', ['fmt', '-check', '-diff', FOLDER], {
        encoding: 'utf8',
      });

      expect([status, stdout, status === 0 ? '' : stderr]).toEqual([0, '', '']);
    },
  );

  it('has the queues of every fleet and priority, by the names that the code makes', () => {
    const [, priorities = ''] =
      /setproduct\(local\.fleets, \[(.+?)\]\) : "shoal-tasks-\$\{pair\[0\]\}-\$\{pair\[1\]\}-\$\{var\.stage\}"/.exec(
        main,
      ) ?? [];

    expect(priorities.replaceAll('"', '').split(', ').sort()).toEqual([...PRIORITIES].sort());
    expect(taskQueueName('f', 'high', 'dev')).toBe('shoal-tasks-f-high-dev');
    const { pathname } = new URL(azureAddresses(azureCloudFactory(), 'dev').statusQueueUrl);
    expect(main).toContain(`status_queue = "${pathname.slice(1).replace(/dev$/, '${var.stage}')}"`);
  });

  it('locks a message for a minute and gives it up after six deliveries', () => {
    expect(queues.match(/lock_duration += "PT1M"/g)).toHaveLength(2);
    expect(queues.match(/max_delivery_count += 6$/gm)).toHaveLength(2);
  });

  it('prints everything that fleets.yml has to say of this cloud', () => {
    const required = Object.entries(azureCloudSchema.shape).filter(
      ([, schema]) => !schema.safeParse(undefined).success,
    );

    expect(keysIn(main, '  cloud = {')).toEqual(expect.arrayContaining(required.map(([key]) => key)));
  });

  it('tells the functions everything that they have to know', () => {
    const config = read('function/config.ts');
    const schema = config.slice(config.indexOf('z.object({'), config.indexOf('});'));
    const required = [...schema.matchAll(/^ {2}([A-Z_]+): (.+)/gm)].filter(
      ([, , rule = '']) => !/optional|default/.test(rule),
    );

    // The platform itself tells IDENTITY_ENDPOINT and IDENTITY_HEADER.
    expect(keysIn(functions, '  app_settings = {')).toEqual(expect.arrayContaining(required.map(([, key]) => key)));
    expect(functions).toContain(`role/${bridgeRoleName('azure', '${var.stage}')}"`);
    expect(read('build.ts')).toContain(`'node${/runtime_version += "(\d+)"/.exec(functions)?.[1]}'`);
  });

  it('lets those functions of the stack be the control plane that reach other clouds, by the names of their roles', () => {
    const [, named = ''] = /reaching_functions = toset\(\[(.+?)\]\)/.exec(main) ?? [];

    expect(named.replaceAll('"', '').split(', ').sort()).toEqual([...REACHING_FUNCTIONS].sort());
    expect(identities).toContain(`audience            = ["${AZURE_AUDIENCE}"]`);
    // As the framework names them: test/integration/packaged-clouds.test.ts.
    expect(identities).toContain('role/shoal-${var.stage}-${each.key}-${var.aws_region}-lambdaRole"');
  });

  it('holds no key, and takes none', () => {
    const all = readdirSync(FOLDER)
      .filter((file) => file.endsWith('.tf'))
      .map(read)
      .join('\n');

    expect(all.match(/shared_access_key_enabled +=.*/g)).toEqual(Array(2).fill(expect.stringMatching(/= false$/)));
    expect(all).toMatch(/local_auth_enabled +=.*false/);
    expect(all).not.toMatch(/access_key\b|connection_string|password|secret/i);
  });
});
