/** Looks at this machine, for the local run: what it needs, and whether one that is described answers. */
import { execFile } from 'node:child_process';
import { readFile, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { parsedJson } from '../../adapters/parsed-json.ts';
import { checkPorts, portsFrom } from '../../local/ports.ts';
import { type Finding, failed, ok, told } from './finding.ts';
import type { Check } from './run-checks.ts';

export interface LocalChecksOptions {
  /** `.shoal` of the checkout. */
  readonly dataDirectory: string;
  readonly nodeVersion: string;
  readonly git: string;
  readonly basePort: number;
}

const NODE_MAJOR = 24;
/** A package of the stack, checkouts and results of some jobs. */
const FREE_BYTES = 1024 ** 3;
/** Everything but its owner's rights. */
const OTHERS = 0o077;

export const localChecks = (options: LocalChecksOptions): readonly Check[] => [
  { what: 'Node.js', run: async () => checkNode(options.nodeVersion) },
  { what: 'git', run: () => checkGit(options.git) },
  { what: 'disk', run: () => checkDisk(options.dataDirectory) },
  { what: 'local run', run: () => checkRun(options) },
  { what: 'API key', run: () => checkKeyFiles(options.dataDirectory) },
];

function checkNode(version: string): Finding {
  const major = Number(/^v(\d+)/.exec(version)?.[1]);
  return major >= NODE_MAJOR
    ? ok('Node.js', version)
    : failed('Node.js', `${version}, but ${NODE_MAJOR} is needed`, 'npm ci, then start by npm: it brings its own');
}

async function checkGit(git: string): Promise<Finding> {
  try {
    const { stdout } = await promisify(execFile)(git, ['--version']);
    return ok('git', stdout.trim());
  } catch {
    return failed('git', 'cannot be started', 'install git: https://git-scm.com/downloads');
  }
}

async function checkDisk(dataDirectory: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(dataDirectory).catch(() => statfs('.'));
  const gibibytes = ((bavail * bsize) / 1024 ** 3).toFixed(1);
  return bavail * bsize >= FREE_BYTES
    ? ok('disk', `${gibibytes} GiB free`)
    : failed('disk', `only ${gibibytes} GiB free`, 'rm -rf .shoal while nothing runs, or make room elsewhere');
}

const descriptionSchema = z.object({ apiUrl: z.url() });

/** A run that is described answers; where none is, the ports that one would take are free. */
async function checkRun({ dataDirectory, basePort }: LocalChecksOptions): Promise<Finding[]> {
  const path = join(dataDirectory, 'local.json');
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return [await checkFreePorts(basePort)];
  const description = descriptionSchema.safeParse(parsedJson(text));
  if (!description.success) return [failed('local run', 'local.json cannot be read', `rm ${path}, then npm start`)];
  return [await checkAnswer(description.data.apiUrl, path)];
}

/** What is there of them is its owner's alone. */
async function checkKeyFiles(dataDirectory: string): Promise<Finding[]> {
  const findings = await Promise.all(
    ['local.json', 'api-key'].map(async (name) => {
      const path = join(dataDirectory, name);
      const mode = await stat(path).then(
        (found) => found.mode,
        () => 0,
      );
      return (mode & OTHERS) === 0 ? [] : [failed(name, 'others may read the key in it', `chmod 600 ${path}`)];
    }),
  );
  return findings.flat();
}

async function checkAnswer(apiUrl: string, path: string): Promise<Finding> {
  const gone = 'is described but does not answer';
  try {
    const response = await fetch(`${apiUrl}/health`, { signal: AbortSignal.timeout(5_000) });
    return response.ok
      ? ok('local run', `answers at ${apiUrl}`)
      : failed('local run', `${gone} well: ${response.status}`);
  } catch {
    return failed('local run', `${gone} at ${apiUrl}`, `rm ${path}, then npm start`);
  }
}

async function checkFreePorts(basePort: number): Promise<Finding> {
  try {
    await checkPorts(portsFrom(basePort));
    return ok('ports', `${basePort} and those behind it are free`);
  } catch (error) {
    return failed('ports', told(error), 'npm start takes others by itself; or end what has them');
  }
}
