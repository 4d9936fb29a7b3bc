/**
 * One commit of a repository, in a folder. Everything reaches git as an argument vector; a repository may bring no
 * hook, no submodule, no LFS filter and no other protocol than its own address names.
 */
import { mkdir } from 'node:fs/promises';
import type { ProcessGroups } from './process-groups.ts';
import { type ProgramRun, runProgram } from './run-program.ts';

export interface CheckoutRequest {
  readonly repository: string;
  /** A full SHA. */
  readonly commit: string;
  /** Must not exist, or be empty. */
  readonly folder: string;
  readonly timeoutSeconds: number;
  readonly graceSeconds: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
}

export type CheckoutOutcome = { readonly kind: 'done' } | { readonly kind: 'failed'; readonly reason: string };

/** Servers word it differently when they give out branches and tags only. */
const REFUSES_BARE_SHA = /not our ref|unadvertised object|not advertised|no such remote ref|couldn't find remote ref/i;
const ALL_REFS = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];

/** Fetches a commit without its history, or with it where the server gives out no bare commit, and checks it out. */
export async function checkout(request: CheckoutRequest, groups: ProcessGroups): Promise<CheckoutOutcome> {
  const scheme = schemeOf(request.repository);
  if (!scheme) return { kind: 'failed', reason: 'the repository is neither https:, http: nor file:' };
  const deadline = performance.now() + request.timeoutSeconds * 1_000;
  await mkdir(request.folder, { recursive: true });
  const git = (...parameters: string[]): Promise<ProgramRun> =>
    runProgram(
      {
        command: 'git',
        arguments: [...safeOptions(scheme), ...parameters],
        cwd: request.folder,
        environment: { ...request.environment, ...GIT_ENVIRONMENT },
        timeoutSeconds: Math.max(0, (deadline - performance.now()) / 1_000),
        graceSeconds: request.graceSeconds,
        stop: request.stop,
        kill: request.kill,
      },
      groups,
    );

  const init = await git('init', '--quiet');
  if (!succeeded(init)) return failed('git init', init);
  const fetch = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules'];
  const shallow = await git(...fetch, '--depth=1', '--end-of-options', request.repository, request.commit);
  if (!succeeded(shallow)) {
    if (!REFUSES_BARE_SHA.test(shallow.stderr.tail())) return failed('git fetch', shallow);
    const deep = await git(...fetch, '--end-of-options', request.repository, ...ALL_REFS);
    if (!succeeded(deep)) return failed('git fetch', deep);
  }
  const checkedOut = await git('checkout', '--quiet', '--detach', request.commit);
  return succeeded(checkedOut) ? { kind: 'done' } : failed('git checkout', checkedOut);
}

/** No question asked, no setting of the machine or its user used, large files left as pointers. */
const GIT_ENVIRONMENT = {
  GIT_TERMINAL_PROMPT: '0',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_LFS_SKIP_SMUDGE: '1',
} as const;

const safeOptions = (scheme: string): string[] =>
  [
    'init.defaultBranch=main',
    'core.hooksPath=/dev/null',
    'core.fsmonitor=false',
    'gc.auto=0',
    'protocol.version=2',
    'protocol.allow=never',
    `protocol.${scheme}.allow=always`,
    // A host may send plain http on to https.
    ...(scheme === 'http' ? ['protocol.https.allow=always'] : []),
  ].flatMap((setting) => ['-c', setting]);

function schemeOf(repository: string): 'https' | 'http' | 'file' | undefined {
  return (['https', 'http', 'file'] as const).find((scheme) => repository.startsWith(`${scheme}://`));
}

const succeeded = (run: ProgramRun): boolean =>
  run.end.kind === 'exited' && run.end.code === 0 && run.endedFor === null;

const failed = (what: string, run: ProgramRun): CheckoutOutcome => ({
  kind: 'failed',
  reason: describeFailedRun(what, run),
});

/** `git fetch failed: exit code 128: …` with the tail of what it said. */
export function describeFailedRun(what: string, run: ProgramRun): string {
  const said = (run.stderr.tail(1_000).trim() || run.stdout.tail(1_000).trim()).trim();
  return `${what} ${howItEnded(run)}${said ? `: ${said}` : ''}`;
}

function howItEnded({ end, endedFor, seconds }: ProgramRun): string {
  if (endedFor === 'timeout') return `took too long (${Math.round(seconds)} s)`;
  switch (end.kind) {
    case 'exited':
      return `failed with exit code ${end.code}`;
    case 'signalled':
      return `was ended by ${end.signal}`;
    case 'not-started':
      return `could not be started (${end.code})`;
  }
}
