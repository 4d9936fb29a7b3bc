/** `npm run agent`: what a machine runs, for one that cannot fetch it from the bucket. */

import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { argumentsOrExit } from '../local/arguments-or-exit.ts';
import { buildAgent } from '../worker-bootstrap/build.ts';

const HELP = `Builds the agent from this checkout, and lays it into a folder with bootstrap.sh and its hash.

  npm run agent -- FOLDER

There are agent.mjs, agent.sha256 (to be checked by sha256sum --check) and bootstrap.sh then.`;

function readArguments(): string | 'help' {
  const { values, positionals } = parseArgs({
    options: { help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  const [folder, ...more] = positionals;
  if (values.help) return 'help';
  if (folder === undefined || more.length > 0) throw new Error('one folder is to be named');
  return resolve(folder);
}

const folder = await argumentsOrExit(HELP, readArguments);
await mkdir(folder, { recursive: true });
const { sha256, bytes } = await buildAgent(join(folder, 'agent.mjs'));
await writeFile(join(folder, 'agent.sha256'), `${sha256}  agent.mjs\n`);
await copyFile(new URL('../worker-bootstrap/bootstrap.sh', import.meta.url), join(folder, 'bootstrap.sh'));
console.log(
  `${join(folder, 'agent.mjs')}: ${Math.ceil(bytes / 1024)} KiB, SHA-256 ${sha256}; beside it agent.sha256 and bootstrap.sh`,
);
