/** Packages the stack as a deployment would, and reads what came out. */
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { buildOnce } from '../../local/build-cache.ts';
import { STACK_SOURCES } from '../../local/package-stack.ts';

export interface Resource {
  readonly Type: string;
  readonly DependsOn?: string | string[];
  // The template is somebody else's format: tests read the properties they are about, and fail where those are missing.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly Properties: any;
}

export interface PackagedStack {
  readonly templatePath: string;
  /** What was packaged lies here. */
  readonly output: string;
  readonly resources: Readonly<Record<string, Resource>>;
  /** @throws Error if the template has no such resource */
  readonly get: (logicalId: string) => Resource;
  readonly ofType: (type: string) => [logicalId: string, resource: Resource][];
  /** @param name as in serverless.yml: `status-consumer` */
  readonly functionNamed: (name: string) => Resource;
  /** The files in a function's package, by path. */
  readonly filesOf: (functionName: string) => Promise<Record<string, Uint8Array>>;
}

export const STAGE = 'test';
export const FUNCTIONS = [
  'submit',
  'cancel',
  'amend',
  'query',
  'status-consumer',
  'delayed',
  'dead-letter',
  'scaler',
  'reaper',
  'job-steps',
];

const repository = resolve(import.meta.dirname, '../..');

/** The package of the present sources, made once for all tests. */
export async function packageStack(): Promise<PackagedStack> {
  const output = await buildOnce({
    name: 'package-for-tests',
    sources: STACK_SOURCES,
    signal: AbortSignal.timeout(55_000),
    build: packageInto,
  });
  const templatePath = join(output, 'cloudformation-template-update-stack.json');
  const resources: Record<string, Resource> = JSON.parse(await readFile(templatePath, 'utf8')).Resources;
  return {
    templatePath,
    output,
    resources,
    ...queriesOf(resources),
    filesOf: async (functionName) => unzipSync(await readFile(join(output, `${functionName}.zip`))),
  };
}

/**
 * Runs `sls package` in a directory of its own, since the framework works in fixed folders of the service: a test must neither
 * take away what a developer has just packaged nor meet a second packaging there.
 */
async function packageInto(target: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-package-'));
  try {
    await mirrorRepository(directory);
    const framework = createRequire(import.meta.url).resolve('serverless/bin/serverless.js');
    const parameters = [framework, 'package', '--stage', STAGE];
    await promisify(execFile)(process.execPath, parameters, { cwd: directory, timeout: 55_000 });
    await cp(join(directory, '.serverless'), target, { recursive: true });
  } finally {
    await rm(directory, { recursive: true });
  }
}

function queriesOf(
  resources: Readonly<Record<string, Resource>>,
): Pick<PackagedStack, 'get' | 'ofType' | 'functionNamed'> {
  const ofType = (type: string) => Object.entries(resources).filter(([, resource]) => resource.Type === type);
  return {
    ofType,
    get(logicalId) {
      const resource = resources[logicalId];
      if (!resource) throw new Error(`the template has no ${logicalId}`);
      return resource;
    },
    functionNamed(name) {
      const fullName = `shoal-${STAGE}-${name}`;
      const found = ofType('AWS::Lambda::Function').find(([, { Properties }]) => Properties.FunctionName === fullName);
      if (!found) throw new Error(`the template has no function ${name}`);
      return found[1];
    },
  };
}

/** The repository in another folder. Folders are linked, files copied: a link to a file would be packaged as a link. */
export async function mirrorRepository(directory: string): Promise<void> {
  const entries = await readdir(repository, { withFileTypes: true });
  const visible = entries.filter(({ name }) => !name.startsWith('.'));
  for (const entry of visible) {
    const [from, to] = [join(repository, entry.name), join(directory, entry.name)];
    // `node_modules` may itself be a link.
    if (entry.isFile()) await copyFile(from, to);
    else await symlink(from, to);
  }
}
