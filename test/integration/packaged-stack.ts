/** Packages the stack as a deployment would, and reads what came out. */
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';

export interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | string[];
  readonly Resource: unknown;
}

export interface Resource {
  readonly Type: string;
  readonly DependsOn?: string | string[];
  // The template is somebody else's format: tests read the properties they are about, and fail where those are missing.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly Properties: any;
}

export interface PackagedStack extends AsyncDisposable {
  readonly templatePath: string;
  readonly resources: Readonly<Record<string, Resource>>;
  /** The files in a function's package, by path. */
  readonly filesOf: (functionName: string) => Promise<Record<string, Uint8Array>>;
}

const repository = resolve(import.meta.dirname, '../..');

/**
 * Runs `sls package` in a directory of its own, since the framework works in fixed folders of the service: a test must neither
 * take away what a developer has just packaged nor meet a second packaging there.
 */
export async function packageStack(): Promise<PackagedStack> {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-package-'));
  await mirrorRepository(directory);
  const framework = createRequire(import.meta.url).resolve('serverless/bin/serverless.js');
  await promisify(execFile)(process.execPath, [framework, 'package', '--stage', 'test'], { cwd: directory });

  const output = join(directory, '.serverless');
  const templatePath = join(output, 'cloudformation-template-update-stack.json');
  const template = JSON.parse(await readFile(templatePath, 'utf8'));
  return {
    templatePath,
    resources: template.Resources,
    filesOf: async (functionName) => unzipSync(await readFile(join(output, `${functionName}.zip`))),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

/** Folders are linked, files copied: a link to a file would be packaged as a link. */
async function mirrorRepository(directory: string): Promise<void> {
  const entries = await readdir(repository, { withFileTypes: true });
  const visible = entries.filter(({ name }) => !name.startsWith('.'));
  for (const entry of visible) {
    const [from, to] = [join(repository, entry.name), join(directory, entry.name)];
    // `node_modules` may itself be a link.
    if (entry.isFile()) await copyFile(from, to);
    else await symlink(from, to);
  }
}
