// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of the shell, not of this language.
/** The deployment to Azure, with an `az` and a `terraform` that only note what they were asked. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../adapters/local/testing/temporary-folder.ts';

const ROOT = join(import.meta.dirname, '..');

/** Notes its arguments, and keeps what it is given before the script removes it. */
const AZ = (folder: string): string => `#!/bin/bash
printf '%s\\n' "$*" >>'${folder}/asked'
while (($# > 1)); do
  case $1 in
  --source) (cd "$2" && find . -type f -exec sha256sum {} +) >'${folder}/uploaded' ;;
  --src) cp "$2" '${folder}/functions.zip' ;;
  esac
  shift
done
`;

it('uploads what machines run under its hash before it deploys the functions', async () => {
  const folder = temporaryFolder();
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const [name, script] of [
    ['az', AZ(folder)],
    ['terraform', '#!/bin/bash\nprintf "the-%s" "${@: -1}"\n'],
  ] as const) {
    writeFileSync(join(bin, name), script);
    chmodSync(join(bin, name), 0o755);
  }

  const env = { PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin`, HOME: folder };
  const child = spawn(join(ROOT, 'azure/deploy.sh'), { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const [exitCode] = await once(child, 'close');

  const asked = readFileSync(join(folder, 'asked'), 'utf8').split('\n');
  expect(exitCode).toBe(0);
  expect(asked[0]).toMatch(
    /^storage blob upload-batch .*--account-name the-storage_account --destination the-container --destination-path artifacts/,
  );
  expect(asked[1]).toMatch(
    /^functionapp deployment source config-zip --resource-group the-resource_group --name the-function_app/,
  );
  // As `sha256sum` says it: a hash, and the file of that hash.
  const uploaded = readFileSync(join(folder, 'uploaded'), 'utf8').trim().split('\n');
  const names = uploaded.map((line) => /^([0-9a-f]{64}) {2}\.\/\1\/([a-z.]+)$/.exec(line)?.[2]);
  expect(names.sort()).toEqual(['agent.mjs', 'bootstrap.sh']);
  const packed = unzipSync(readFileSync(join(folder, 'functions.zip')));
  expect(Object.keys(packed).sort()).toEqual(['host.json', 'index.js', 'package.json']);
});
