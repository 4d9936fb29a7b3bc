/** `npm run agent`: what a machine runs, for one that cannot fetch it from the bucket. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildAgent } from '../worker-bootstrap/build.ts';

const HELP = `Builds the agent from this checkout, and lays it into a folder with bootstrap.sh and its hash.

  npm run agent -- FOLDER

There are agent.mjs, agent.sha256 (to be checked by sha256sum --check) and bootstrap.sh then.`;

function folderOrExit(): string {
  try {
    const { values, positionals } = parseArgs({
      options: { help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    });
    const [folder, ...more] = positionals;
    if (folder !== undefined && more.length === 0 && !values.help) return resolve(folder);
    console.log(HELP);
    process.exit(values.help ? 0 : 2);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

const folder = folderOrExit();
await mkdir(folder, { recursive: true });
const { sha256, bytes } = await buildAgent(join(folder, 'agent.mjs'));
await writeFile(join(folder, 'agent.sha256'), `${sha256}  agent.mjs\n`);
await copyFile(new URL('../worker-bootstrap/bootstrap.sh', import.meta.url), join(folder, 'bootstrap.sh'));
console.log(
  `${join(folder, 'agent.mjs')}: ${Math.ceil(bytes / 1024)} KiB, SHA-256 ${sha256}; beside it agent.sha256 and bootstrap.sh`,
);
