// biome-ignore-all lint/suspicious/noTemplateCurlyInString: expressions of Terraform, not of this language.
/** What Terraform says, held against what the code goes by. No provider is at hand here: nothing of it was ever planned. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { describe, expect, it, onTestFinished } from 'vitest';
import { namePattern } from '../adapters/gcp/gce-instance-id.ts';
import { bridgeRoleName, gcpAddresses, gcpCloudSchema } from '../core/clouds.ts';
import { PRIORITIES, taskQueueName } from '../core/ids.ts';
import { REACHING_FUNCTIONS } from '../resources/other-clouds.ts';
import { gcpCloud } from '../test/clouds/gcp/gcp-cloud.ts';
import { packFunctions } from './build.ts';

const FOLDER = import.meta.dirname;
const read = (file: string): string => readFileSync(join(FOLDER, file), 'utf8');
const main = read('main.tf');
const pubsub = read('pubsub.tf');
const identities = read('identities.tf');
const functions = read('functions.tf');

/** The names that are given a value in a block, by the line that opens it. */
function keysIn(text: string, opening: string, indent: number): string[] {
  const begin = text.indexOf(opening);
  expect(begin, opening).toBeGreaterThanOrEqual(0);
  const block = text.slice(begin + opening.length, text.indexOf(`\n${' '.repeat(indent - 2)}}`, begin));
  return [...block.matchAll(new RegExp(`^ {${indent}}(\\w+) += `, 'gm'))].map(([, key = '']) => key);
}
/** What a function is told in Terraform, and what it must be told. */
const told = (target: 'bridge' | 'reaper'): string[] => {
  const block = functions.slice(functions.indexOf(`"google_cloudfunctions2_function" "${target}"`));
  return keysIn(block, '    environment_variables = {', 6);
};
const mustKnow = (schema: string): string[] => {
  const config = read('function/config.ts');
  const text = config.slice(config.indexOf(`const ${schema} =`)).split(/^}\)?;$/m)[0] ?? '';
  return [...text.matchAll(/^ {2}([A-Z_]+): (.+)/gm)].flatMap(([, key = '', rule = '']) =>
    rule.includes('optional') ? [] : [key],
  );
};

const hasTerraform = spawnSync('terraform', ['version']).status === 0;

describe('the infrastructure on Google Cloud', () => {
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
    const topic = gcpAddresses(gcpCloud('http://127.0.0.1:1'), 'dev').statusQueueUrl.split('/').at(-1) ?? '';
    expect(main).toContain(`status_queue = "${topic.replace(/dev$/, '${var.stage}')}"`);
    expect(main).toContain('dead_letters = "shoal-dead-letters-${var.stage}"');
  });

  it('leases for a minute, gives a task up after six deliveries, and keeps every message for longer than 13 days', () => {
    expect(pubsub.match(/ack_deadline_seconds += 60\b/g)).toHaveLength(2);
    expect(pubsub).toMatch(/max_delivery_attempts += 6\n/);
    expect(Number(/retention += "(\d+)s"/.exec(pubsub)?.[1])).toBeGreaterThan(13 * 86_400);
    expect(pubsub.match(/message_retention_duration += local\.retention/g)).toHaveLength(2);
    // Idle subscriptions would be deleted after a month.
    expect(pubsub.match(/ttl = ""/g)).toHaveLength(2);
  });

  it('pushes what goes home to where the bridge takes it', () => {
    expect(pubsub).toContain('{ (local.status_queue) = "status", (local.dead_letters) = "dead-letters" }');
    for (const path of ['status:', "'dead-letters':"])
      expect(read('function/index.ts')).toContain(`${path} new SqsCarrier`);
  });

  it('prints everything that fleets.yml has to say of this cloud', () => {
    const required = Object.entries(gcpCloudSchema.shape).filter(([, schema]) => !schema.safeParse(undefined).success);

    expect(keysIn(main, '  cloud = {', 4)).toEqual(expect.arrayContaining(required.map(([key]) => key)));
  });

  it('tells the functions everything that they have to know, and bundles them for the Node that runs them', () => {
    expect(mustKnow('common')).toEqual(['STAGE']);
    expect(told('bridge')).toEqual(['STAGE', ...mustKnow('bridgeSchema')]);
    expect(told('reaper')).toEqual(['STAGE', ...mustKnow('reaperSchema')]);
    expect(functions).toContain(`role/${bridgeRoleName('gcp', '${var.stage}')}"`);
    const runtimes = [...functions.matchAll(/runtime += "nodejs(\d+)"/g)].map(([, version]) => version);
    expect(runtimes).toHaveLength(2);
    for (const version of runtimes) expect(read('build.ts')).toContain(`'node${version}'`);
    for (const entry of ['bridge', 'reap']) expect(functions).toMatch(new RegExp(`entry_point += "${entry}"`));
  });

  it('lets those functions of the stack be the control plane that reach other clouds, by the names of their roles', () => {
    const [, named = ''] = /reaching_functions = toset\(\[(.+?)\]\)/.exec(main) ?? [];

    expect(named.replaceAll('"', '').split(', ').sort()).toEqual([...REACHING_FUNCTIONS].sort());
    // As the framework joins it (test/integration/packaged-clouds.test.ts).
    expect(main).toContain('role/shoal-${var.stage}-${name}-${var.aws_region}-lambdaRole"');
    expect(identities).toContain(
      'attribute_condition                = "assertion.sub in ${jsonencode(local.reaching_roles)}"',
    );
  });

  it('lets machines be deleted by their names alone, and by the control plane and the reaper alone', () => {
    expect(namePattern('dev', 'f', 'i')).toMatch(/^shoal-dev-/);
    expect(identities).toContain('startsWith(\\"shoal-${var.stage}-\\")"');
    expect(identities).toMatch(/"ends" \{\n {2}for_each = toset\(\["control", "reaper"\]\)/);
    expect(identities.match(/compute\.instances\.delete/g)).toHaveLength(1);
  });

  it('lets machines write below jobs/ only, and nothing in from the internet', () => {
    expect(identities).toMatch(/"worker_writes" \{[\s\S]*?objectUser[\s\S]*?objects\/jobs\//);
    expect(read('network.tf')).not.toContain('google_compute_firewall');
    expect(functions.match(/ingress_settings += "ALLOW_INTERNAL_ONLY"/g)).toHaveLength(2);
  });

  it('holds no key, and makes none', () => {
    const all = readdirSync(FOLDER)
      .filter((file) => file.endsWith('.tf'))
      .map(read)
      .join('\n');

    expect(all).not.toMatch(/service_account_key|hmac_key|password|secret|credentials *=/i);
  });

  it('deploys a package whose bytes follow from its files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shoal-gcp-package-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    mkdirSync(join(folder, 'f'));
    writeFileSync(join(folder, 'f/index.js'), 'exports.a = 1;');
    writeFileSync(join(folder, 'f/package.json'), '{}');

    await packFunctions(join(folder, 'f'), join(folder, '1.zip'));
    await packFunctions(join(folder, 'f'), join(folder, '2.zip'));

    const [first, second] = ['1.zip', '2.zip'].map((name) => readFileSync(join(folder, name)));
    expect(first).toEqual(second);
    expect(Object.keys(unzipSync(first ?? Buffer.of()))).toEqual(['index.js', 'package.json']);
  });

  const linter = spawnSync('shellcheck', ['--version']).status === 0;
  it.skipIf(!linter)(
    'is deployed by a script that shellcheck finds nothing in (skipped where that is not installed)',
    () => {
      expect(spawnSync('shellcheck', [join(FOLDER, 'deploy.sh')], { encoding: 'utf8' }).stdout).toBe('');
    },
  );
});
