/** The agent as one file, built once for the sources as they are. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { buildOnce } from './build-cache.ts';

export interface PackagedAgent {
  /** A `file://` address, which bootstrap.sh fetches from. */
  readonly url: string;
  readonly sha256: string;
}

const SOURCES = ['worker-bootstrap', 'adapters', 'core', 'package-lock.json', 'tsconfig.json'];

/** Bundles the agent, or finds the bundle of the same sources. */
export async function packageAgent(signal: AbortSignal = new AbortController().signal): Promise<PackagedAgent> {
  const build = async (target: string): Promise<void> => {
    // The bundler is large: it is loaded only when there is something to bundle.
    const { buildAgent } = await import('../worker-bootstrap/build.ts');
    const { sha256 } = await buildAgent(join(target, 'agent.mjs'));
    await writeFile(join(target, 'agent.json'), JSON.stringify({ sha256 }));
  };
  const directory = await buildOnce({ name: 'agent', sources: SOURCES, signal, build });
  const described: unknown = JSON.parse(await readFile(join(directory, 'agent.json'), 'utf8'));
  const { sha256 } = z.object({ sha256: z.string() }).parse(described);
  return { url: pathToFileURL(join(directory, 'agent.mjs')).href, sha256 };
}
