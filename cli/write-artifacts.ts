/**
 * Writes what machines run to a folder, each file under its hash, as it lies in the bucket of every cloud below `artifacts/`:
 * `node cli/write-artifacts.ts FOLDER`
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PROJECT_ROOT } from '../local/project-root.ts';
import { makeArtifacts } from '../plugins/artifacts.ts';

/** @returns the files, relative to the folder */
export async function writeArtifacts(folder: string): Promise<readonly string[]> {
  const artifacts = Object.values(await makeArtifacts(PROJECT_ROOT));
  const files = artifacts.map(({ key, content }) => ({ file: key.replace(/^artifacts\//, ''), content }));
  for (const { file, content } of files) {
    const path = join(folder, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
  return files.map(({ file }) => file);
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2);
  if (!folder) {
    console.error('usage: node cli/write-artifacts.ts FOLDER');
    process.exit(2);
  }
  for (const file of await writeArtifacts(folder)) console.log(file);
}
