/** Bundles the agent, AWS SDK included, into one file that a bare Node runs. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

export interface BuiltAgent {
  readonly path: string;
  /** Of the file, in hex: bootstrap.sh runs nothing else. */
  readonly sha256: string;
  readonly bytes: number;
}

/** The oldest Node that bootstrap.sh accepts. */
const TARGET = 'node22';

/** CommonJS inside the SDK asks for `require`, which a module has not. */
const REQUIRE = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);";

/** Zod brings its messages in fifty languages, a quarter of the bundle; the agent speaks English. */
const englishOnly: Plugin = {
  name: 'english-only',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
      loader: 'js',
    })),
};

/**
 * Writes the agent to `outFile`. The same sources make the same bytes.
 * @param entry the program, the agent's own `main.ts` unless told otherwise
 */
export async function buildAgent(
  outFile: string,
  entry = fileURLToPath(new URL('agent/main.ts', import.meta.url)),
): Promise<BuiltAgent> {
  await build({
    entryPoints: [entry],
    outfile: outFile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: TARGET,
    minify: true,
    legalComments: 'none',
    banner: { js: REQUIRE },
    mainFields: ['module', 'main'],
    plugins: [englishOnly],
    logLevel: 'warning',
  });
  const content = await readFile(outFile);
  return { path: outFile, sha256: createHash('sha256').update(content).digest('hex'), bytes: content.length };
}
