/** The image of a machine of one's own, as far as it can be known without Docker; with Docker or hadolint, they are asked too. */
import { execFile, spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeArtifacts } from '../../plugins/artifacts.ts';
import { copyOf, instructionsIn, type Stage, stagesOf } from './dockerfile.ts';

const ROOT = join(import.meta.dirname, '../..');
const FILE = join(ROOT, 'deploy/docker/Dockerfile');
const run = promisify(execFile);

let stages: Stage[];
let ignored: string[];

beforeAll(async () => {
  stages = stagesOf(instructionsIn(await readFile(FILE, 'utf8')));
  ignored = (await readFile(`${FILE}.dockerignore`, 'utf8')).split('\n').filter(Boolean);
});

const named = (stage: Stage | undefined, name: string) =>
  stage?.instructions.filter((each) => each.name === name) ?? [];
const fromContext = () =>
  stages.flatMap((stage) => named(stage, 'COPY').filter(({ flags }) => flags['from'] === undefined)).map(copyOf);

describe('the Dockerfile', () => {
  it('is made of known instructions, of official images and its own stages', () => {
    expect(stages.map(({ image, name }) => [image, name])).toEqual([
      ['node:24-slim', 'build'],
      ['node:24-slim', null],
    ]);
    const before = new Set<string | null>();
    for (const stage of stages) {
      for (const { flags } of named(stage, 'COPY')) if (flags['from']) expect(before).toContain(flags['from']);
      before.add(stage.name);
    }
  });

  it('runs as nobody in particular, under an init that hands signals on', () => {
    const last = stages.at(-1);
    const entrypoint: unknown = JSON.parse(named(last, 'ENTRYPOINT')[0]?.text ?? '');

    expect(named(last, 'USER').at(-1)?.text).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(entrypoint).toEqual(['/usr/bin/tini', '--', 'bash', '/opt/shoal/entrypoint.sh']);
    expect(
      named(last, 'RUN')
        .map(({ text }) => text)
        .join(),
    ).toMatch(/\btini\b.*useradd/);
    const copied = named(last, 'COPY').map((each) => copyOf(each).target);
    expect(copied).toEqual(['/opt/shoal/', '/opt/shoal/entrypoint.sh']);
  });

  it('holds no setting that an environment file would have to overcome, and no secret', () => {
    const set = stages.flatMap((stage) => [...named(stage, 'ENV'), ...named(stage, 'ARG')]).map(({ text }) => text);

    expect(set).toEqual(['SHOAL_WORK_DIR=/var/lib/shoal HOME=/var/lib/shoal']);
  });

  it('copies nothing that the context leaves out', () => {
    const [first, ...allowed] = ignored.filter((line) => !line.startsWith('**'));

    expect(first).toBe('*');
    expect(
      fromContext()
        .flatMap(({ sources }) => sources)
        .sort(),
    ).toEqual(allowed.map((line) => line.slice(1)).sort());
  });
});

describe('the image', () => {
  let context: string;
  beforeAll(async () => {
    context = await mkdtemp(join(tmpdir(), 'shoal-image-'));
  });
  afterAll(() => rm(context, { recursive: true, force: true }));

  it('gets by its build the very agent that a deployment uploads, out of what is copied and nothing else', async () => {
    for (const { sources } of fromContext()) {
      for (const source of sources) {
        await mkdir(dirname(join(context, source)), { recursive: true });
        const filter = (path: string): boolean => !path.endsWith('.test.ts');
        await cp(join(ROOT, source), join(context, source), { recursive: true, filter });
      }
    }
    // In place of `npm ci`.
    await symlink(join(ROOT, 'node_modules'), join(context, 'node_modules'));
    const [build] = stages;
    const command = named(build, 'RUN').at(-1)?.text.split(' ') ?? [];
    expect(command).toEqual(['node', 'cli/build-agent.ts', '/out']);

    const out = join(context, 'out');
    await run(process.execPath, [command[1] ?? '', out], { cwd: context });

    const { agent, bootstrap } = await makeArtifacts(ROOT);
    expect(await readFile(join(out, 'agent.sha256'), 'utf8')).toBe(`${agent.sha256}  agent.mjs\n`);
    expect(await readFile(join(out, 'agent.mjs'))).toEqual(agent.content);
    expect(await readFile(join(out, 'bootstrap.sh'))).toEqual(bootstrap.content);
  });

  // No npm packages: where they are not installed, nobody can ask them.
  it.skipIf(spawnSync('hadolint', ['--version']).status !== 0)('pleases hadolint', async () => {
    await run('hadolint', ['--failure-threshold', 'warning', '--ignore', 'DL3008', FILE]);
  });

  it.skipIf(spawnSync('docker', ['buildx', 'version']).status !== 0)('passes the checks of docker build', async () => {
    await run('docker', ['build', '--check', '--file', FILE, ROOT]);
  });

  it.skipIf(spawnSync('shellcheck', ['--version']).status !== 0)(
    'has an entry point that pleases shellcheck',
    async () => {
      await run('shellcheck', [join(ROOT, 'deploy/docker/entrypoint.sh')]);
    },
  );
});
