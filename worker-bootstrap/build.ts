/** Bundles the agent, AWS SDK included, into one file that a bare Node runs. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile, type Plugin } from 'esbuild';

export interface BuiltAgent {
  readonly path: string;
  /** Of the file, in hex: bootstrap.sh runs nothing else. */
  readonly sha256: string;
  readonly bytes: number;
  /** Modules that are evaluated when the program starts on AWS; all others when they are first needed. */
  readonly evaluatedAtStart: readonly string[];
}

/** The oldest Node that bootstrap.sh accepts. */
const TARGET = 'node22';

/**
 * What is built in is reached by `require` alone. To `import` a module of Node makes all it exports at once, and one of
 * the exports of `node:http` is a WebSocket, with a second HTTP client behind it.
 */
const WRAPPER = {
  banner: { js: "import{createRequire}from'node:module';((require,module)=>{" },
  footer: { js: '})(createRequire(import.meta.url),{});' },
} as const;

/** Zod brings its messages in fifty languages, a quarter of the bundle; the agent speaks English. */
export const englishOnly: Plugin = {
  name: 'english-only',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
      loader: 'js',
    })),
};

/** Of what is imported as one object, the bundler keeps everything; of a namespace, only what is used. */
const zodByParts: Plugin = {
  name: 'zod-by-parts',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/](?:core|adapters|worker-bootstrap)[\\/].*\.ts$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replace("import { z } from 'zod'", "import * as z from 'zod'"),
      loader: 'ts',
    })),
};

/**
 * The chain of credentials without what only people have: profiles, sign-ons, and programs that a profile names. A machine
 * has variables, a token file or a metadata service.
 */
export const onMachinesOnly: Plugin = {
  name: 'on-machines-only',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^@aws-sdk\/credential-provider-(?:ini|login|process|sso)$/ }, ({ path }) => ({
      path,
      namespace: 'not-here',
    }));
    onLoad({ filter: /.*/, namespace: 'not-here' }, () => ({
      contents: `const none = () => async () => { throw Object.assign(new Error('no profile here'), { tryNextLink: true }); };
        export { none as fromIni, none as fromLoginCredentials, none as fromProcess, none as fromSSO };`,
    }));
  },
};

/** Of each client that is evaluated late, what the agent uses. */
const USED: Readonly<Record<string, string>> = {
  'client-s3': 'S3Client, S3ServiceException, GetObjectCommand, PutObjectCommand, NoSuchKey',
  'client-ssm': 'SSMClient, SSMServiceException, GetParameterCommand',
};

/** Of a module that may be evaluated late the bundler keeps all it exports: these are cut down beforehand. */
const clientsByParts: Plugin = {
  name: 'clients-by-parts',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]@aws-sdk[\\/]client-(?:s3|ssm)[\\/]dist-es[\\/]index\.js$/ }, async ({ path }) => {
      const used = USED[basename(dirname(dirname(path)))];
      const { outputFiles } = await build({
        stdin: { contents: `export { ${used} } from './index.js';`, resolveDir: dirname(path) },
        bundle: true,
        write: false,
        platform: 'node',
        format: 'esm',
        target: TARGET,
        packages: 'external',
      });
      return { contents: outputFiles[0]?.text ?? '', loader: 'js', resolveDir: dirname(path) };
    }),
};

/**
 * Writes the agent to `outFile`. The same sources make the same bytes.
 * @param entry the program, the agent's own `main.ts` unless told otherwise
 */
export async function buildAgent(
  outFile: string,
  entry = fileURLToPath(new URL('agent/main.ts', import.meta.url)),
): Promise<BuiltAgent> {
  const { metafile } = await build({
    entryPoints: [entry],
    metafile: true,
    outfile: outFile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    supported: { 'dynamic-import': false },
    target: TARGET,
    minify: true,
    legalComments: 'none',
    ...WRAPPER,
    mainFields: ['module', 'main'],
    plugins: [englishOnly, zodByParts, clientsByParts, onMachinesOnly],
    logLevel: 'warning',
  });
  const content = await readFile(outFile);
  return {
    path: outFile,
    sha256: createHash('sha256').update(content).digest('hex'),
    bytes: content.length,
    evaluatedAtStart: evaluatedAtStart(metafile, entry),
  };
}

/** Loaded at the start, by the name of the cloud; on another cloud that one's. */
const ON_AWS = 'services-on-aws.ts';

function evaluatedAtStart({ inputs }: Metafile, entry: string): string[] {
  const found = new Set([relative(process.cwd(), entry)]);
  for (const path of Object.keys(inputs)) if (basename(path) === ON_AWS) found.add(path);
  for (const path of found) {
    for (const imported of inputs[path]?.imports ?? []) {
      if (imported.kind !== 'dynamic-import' && !imported.external) found.add(imported.path);
    }
  }
  return [...found];
}
