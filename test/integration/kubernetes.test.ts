/** Machines on Kubernetes: the manifests against what the API takes, and against what the agent needs. No cluster is asked. */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { ownMachineEnvironment } from '../../cli/machine/environment.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { PRIORITIES, taskQueueName } from '../../core/ids.ts';
import { READY_DEADLINE_SECONDS } from '../../core/machine-environment.ts';
import { parseAgentConfig } from '../../worker-bootstrap/agent/config.ts';
import {
  deployment,
  kustomization,
  type Manifest,
  manifest,
  type PodTemplate,
  scaledJob,
} from './kubernetes-schemas.ts';

const FOLDER = join(import.meta.dirname, '../../deploy/kubernetes');
const read = (path: string) => readFile(join(FOLDER, path), 'utf8');

/** A folder's manifests, those of what it is based on first. */
async function manifestsOf(folder: string): Promise<Manifest[]> {
  const { resources } = kustomization.parse(parse(await read(`${folder}/kustomization.yaml`)));
  const parts = await Promise.all(
    resources.map(async (each) => {
      if (each.startsWith('../')) return manifestsOf(each.slice(3));
      return parseAllDocuments(await read(`${folder}/${each}`)).map((document) => manifest.parse(document.toJS()));
    }),
  );
  return parts.flat();
}

async function environmentOfFile(): Promise<Record<string, string>> {
  const lines = (await read('base/shoal.env')).trim().split('\n');
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

const fixed = async () => deployment.parse((await manifestsOf('fixed')).find(({ kind }) => kind === 'Deployment'));
const byQueue = async () => scaledJob.parse((await manifestsOf('by-queue')).find(({ kind }) => kind === 'ScaledJob'));

/** What a container sees: its own variables come over those of the ConfigMap, and may name ones before them. */
function environmentIn({ spec }: PodTemplate, file: Readonly<Record<string, string>>): Record<string, string> {
  const seen: Record<string, string> = { ...file };
  for (const each of spec.containers[0].env) {
    seen[each.name] =
      'value' in each ? each.value.replaceAll(/\$\((\w+)\)/g, (_, name: string) => seen[name] ?? '') : '2';
  }
  return seen;
}

describe.each(['fixed', 'by-queue'])('the manifests in deploy/kubernetes/%s', (folder) => {
  it('have no field that the API does not take, and are all in one namespace', async () => {
    const manifests = await manifestsOf(folder);

    expect(manifests.map(({ kind }) => kind)).toContain('ServiceAccount');
    for (const { kind, metadata } of manifests) {
      expect(metadata.namespace, kind).toBe(kind === 'Namespace' ? undefined : 'shoal');
    }
  });

  it('name only what is there: accounts, roles, settings, volumes', async () => {
    const manifests = await manifestsOf(folder);
    const { configMapGenerator } = kustomization.parse(parse(await read('base/kustomization.yaml')));
    const names = (kind: string) => manifests.filter((each) => each.kind === kind).map(({ metadata }) => metadata.name);
    const { spec } = folder === 'fixed' ? (await fixed()).spec.template : (await byQueue()).spec.jobTargetRef.template;
    const [container] = spec.containers;

    expect(names('ServiceAccount')).toContain(spec.serviceAccountName);
    expect(configMapGenerator.map(({ name }) => name)).toEqual(container.envFrom.map((each) => each.configMapRef.name));
    expect(container.volumeMounts.map(({ name }) => name)).toEqual(spec.volumes.map(({ name }) => name));
    for (const each of manifests) {
      if (each.kind !== 'RoleBinding') continue;
      expect(names('Role')).toContain(each.roleRef.name);
      expect(names('ServiceAccount')).toEqual(each.subjects.map(({ name }) => name));
    }
  });

  const isThere = spawnSync('kubectl', ['kustomize', '--help']).status === 0;
  it.skipIf(!isThere)(
    'are rendered by kubectl as they are read here (skipped where that is not installed)',
    async () => {
      const { stdout, stderr } = spawnSync('kubectl', ['kustomize', join(FOLDER, folder)], { encoding: 'utf8' });
      expect(stderr).toBe('');
      const rendered = parseAllDocuments(stdout).map((document) => manifest.parse(document.toJS()));

      expect(rendered.map(({ kind }) => kind).sort()).toEqual(
        [...(await manifestsOf(folder)).map(({ kind }) => kind), 'ConfigMap'].sort(),
      );
      const settings = rendered.find((each) => each.kind === 'ConfigMap');
      expect(settings?.data).toEqual(await environmentOfFile());
      expect(stdout).not.toContain('image: shoal-machine');
    },
  );
});

describe('a machine on Kubernetes', () => {
  it('has by shoal.env what npm run machine prints', async () => {
    const [fleet] = fleetsOf(fleetsFileSchema.parse({ fleets: { own: { provider: 'external' } } }));
    const file = await environmentOfFile();
    const settings = {
      stage: 'dev',
      region: 'us-east-1',
      bucket: file['SHOAL_BUCKET'] ?? '',
      queueUrlPrefix: file['SHOAL_QUEUE_URL_PREFIX'] ?? '',
      statusQueueUrl: file['SHOAL_STATUS_QUEUE_URL'] ?? '',
      agentUrl: file['SHOAL_AGENT_URL'] ?? '',
      agentSha256: file['SHOAL_AGENT_SHA256'] ?? '',
      readyDeadlineSeconds: READY_DEADLINE_SECONDS,
    };
    const joining = { fleets: [], settings, bootstrapUrl: '', surroundings: { SHOAL_TASK_USER: 'shoal-task' } };
    const machine = { idle: 'never', workDir: '/var/lib/shoal' };

    expect(file).toEqual(ownMachineEnvironment(fleet!, joining, machine));
  });

  it('is the same machine either way, but for how it ends', async () => {
    const one = (await fixed()).spec.template.spec;
    const other = (await byQueue()).spec.jobTargetRef.template.spec;
    const file = await environmentOfFile();

    const { env: _one, readinessProbe, ...container } = one.containers[0];
    const { env: _other, ...jobContainer } = other.containers[0];
    expect(container).toEqual(jobContainer);
    expect({ ...one, containers: [], restartPolicy: '' }).toEqual({ ...other, containers: [], restartPolicy: '' });
    expect(readinessProbe?.exec.command.at(-1)).toBe(`${file['SHOAL_WORK_DIR']}/ready`);
    expect([one.restartPolicy, other.restartPolicy]).toEqual(['Always', 'Never']);
    const [waiting, ending] = [(await fixed()).spec.template, (await byQueue()).spec.jobTargetRef.template].map(
      (template) => parseAgentConfig(environmentIn(template, file)),
    );
    expect([waiting?.idleSeconds, ending?.idleSeconds]).toEqual([Number.POSITIVE_INFINITY, 60]);
    expect(waiting).toMatchObject({ fleet: 'own', provider: 'external', capacity: { vcpus: 2, diskGiB: 2 } });
  });

  it('gets long enough to let go of its tasks and say goodbye', async () => {
    const { terminationGracePeriodSeconds } = (await fixed()).spec.template.spec;
    const { graceSeconds, pollSeconds } = parseAgentConfig(await environmentOfFile());
    const LAST_WORDS_SECONDS = 20;

    expect(terminationGracePeriodSeconds).toBeGreaterThan(graceSeconds + pollSeconds + LAST_WORDS_SECONDS + 5);
  });

  it('writes where it may, and nowhere else', async () => {
    const { volumeMounts } = (await fixed()).spec.template.spec.containers[0];
    const { workDir } = parseAgentConfig(await environmentOfFile());

    expect(volumeMounts.map(({ mountPath }) => mountPath)).toEqual([workDir, '/tmp']);
  });
});

describe('machines by the queue', () => {
  it('are asked for by the depth of each of the fleet’s queues, in the region of the machines', async () => {
    const { spec } = await byQueue();
    const file = await environmentOfFile();
    const seen = environmentIn(spec.jobTargetRef.template, file);
    const { replacements } = kustomization.parse(parse(await read('by-queue/kustomization.yaml')));

    expect(spec.triggers.map(({ metadata }) => seen[metadata.queueURLFromEnv])).toEqual(
      PRIORITIES.map((priority) => file['SHOAL_QUEUE_URL_PREFIX'] + taskQueueName('own', priority, 'dev')),
    );
    expect(replacements[0]?.targets[0]?.fieldPaths).toEqual(
      spec.triggers.map((_, index) => `spec.triggers.${index}.metadata.awsRegion`),
    );
    const authentications = (await manifestsOf('by-queue')).filter(({ kind }) => kind === 'TriggerAuthentication');
    for (const { authenticationRef } of spec.triggers) {
      expect(authentications.map(({ metadata }) => metadata.name)).toEqual([authenticationRef.name]);
    }
  });

  it('are never ended by their scaler while they work: each is a job of its own, and ends itself', async () => {
    const { spec } = await byQueue();
    const { maxLifetimeSeconds } = parseAgentConfig(await environmentOfFile());

    expect(spec.rollout.strategy).toBe('gradual');
    expect(spec.triggers.every(({ metadata }) => metadata.scaleOnInFlight === 'true')).toBe(true);
    expect(spec.jobTargetRef).toMatchObject({ parallelism: 1, completions: 1, backoffLimit: 0 });
    expect(spec.jobTargetRef.activeDeadlineSeconds).toBeGreaterThan(maxLifetimeSeconds + 60);
  });
});
