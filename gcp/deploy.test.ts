// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of the shell, not of this language.
/** The deployment to Google Cloud, with a `gcloud` and a `terraform` that only note what they were asked. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../adapters/local/testing/temporary-folder.ts';

const ROOT = join(import.meta.dirname, '..');

it('builds before it applies, and uploads what machines run under its hash into the bucket that was made', async () => {
  const folder = temporaryFolder();
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const [name, script] of [
    ['gcloud', '(cd "${@: -2:1}/.." && find artifacts -type f -exec sha256sum {} + | sort -k 2) >"$HOME/uploaded"'],
    ['terraform', '[[ $* != *" output "* ]] || printf "the-%s" "${@: -1}"'],
  ] as const) {
    writeFileSync(join(bin, name), `#!/bin/bash\nprintf '${name} %s\\n' "$*" >>"$HOME/asked"\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }

  const env = { PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin`, HOME: folder };
  const child = spawn(join(ROOT, 'gcp/deploy.sh'), ['-auto-approve'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (piece) => {
    printed += piece;
  });
  const [exitCode] = await once(child, 'close');

  expect(exitCode).toBe(0);
  expect(readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n')).toEqual([
    'terraform -chdir=gcp init -input=false',
    'terraform -chdir=gcp apply -auto-approve',
    'terraform -chdir=gcp output -raw bucket',
    expect.stringMatching(/^gcloud storage cp --recursive --no-clobber \S+\/artifacts gs:\/\/the-bucket\/$/),
    'terraform -chdir=gcp output -raw clouds_gcp',
  ]);
  const uploaded = readFileSync(join(folder, 'uploaded'), 'utf8').trim().split('\n');
  expect(uploaded.map((line) => line.split('/').at(-1)).sort()).toEqual(['agent.mjs', 'bootstrap.sh']);
  for (const line of uploaded) expect(line).toMatch(/^([0-9a-f]{64}) {2}artifacts\/\1\//);
  // Where gcp/functions.tf looks for it.
  expect(existsSync(join(ROOT, '.shoal/gcp-functions.zip'))).toBe(true);
  expect(printed).toContain('the-clouds_gcp');
});
