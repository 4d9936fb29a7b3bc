/**
 * One commit of a repository, in a folder. Everything reaches git as an argument vector, except a credential, which only
 * those git commands see that talk to the host, in their environment: no argument list, no file and no message has it.
 * A repository may bring no hook, no LFS filter and no other protocol than its own address names, and submodules only
 * where the job asks for them.
 */
import { mkdir } from 'node:fs/promises';
import type { Authorization } from '../../adapters/git/repository-credentials.ts';
import type { RunLimits } from './process-group.ts';
import type { ProcessGroups } from './process-groups.ts';
import { type ProgramRun, runProgram } from './run-program.ts';

export interface CheckoutRequest extends RunLimits {
  readonly repository: string;
  /** A full SHA. */
  readonly commit: string;
  readonly submodules: boolean;
  /** What the repository's host wants to see; `hide` goes into no reason. */
  readonly authorization: RepositoryAuthorization | null;
  /** Must not exist, or be empty. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
}

export type RepositoryAuthorization = Pick<Extract<Authorization, { kind: 'authorized' }>, 'header' | 'hide'>;

export type CheckoutOutcome =
  | { readonly kind: 'done' }
  /** `mayPass`: the host, or the way to it, failed, and may not at the next try. */
  | { readonly kind: 'failed'; readonly reason: string; readonly mayPass: boolean };

/** Servers word it differently when they give out branches and tags only. */
const REFUSES_BARE_SHA = /not our ref|unadvertised object|not advertised|no such remote ref|couldn't find remote ref/i;
/** The words of git and curl for a host that is down, busy or broke off. */
const MAY_PASS =
  /could not resolve host|failed to connect|couldn't connect|connection (?:refused|reset|timed out)|timed out|returned error: (?:429|5\d\d)|early eof|rpc failed|hung up|unexpected disconnect|too slow|http\/2 stream|empty reply/i;
const ALL_REFS = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];

/**
 * Fetches a commit without its history, or with it where the server gives out no bare commit, and checks it out.
 *
 * Depth 1 is all that saves bytes: the pack then holds the trees and files of this one commit. A partial clone
 * (`--filter=blob:limit=…`) would leave large files out of it only to fetch each of them at the checkout, which needs
 * every file of the tree: the same bytes in more requests, each of which would need the credential.
 */
export async function checkout(request: CheckoutRequest, groups: ProcessGroups): Promise<CheckoutOutcome> {
  const { repository, commit, authorization, graceSeconds, stopGraceSeconds, stop, kill } = request;
  const scheme = schemeOf(repository);
  if (!scheme) {
    return { kind: 'failed', reason: 'the repository is neither https:, http: nor file:', mayPass: false };
  }
  const deadline = performance.now() + request.timeoutSeconds * 1_000;
  await mkdir(request.folder, { recursive: true });
  const failed = (what: string, run: ProgramRun): CheckoutOutcome => ({
    kind: 'failed',
    reason: describeFailedRun(what, run, authorization?.hide),
    mayPass: MAY_PASS.test(run.stderr.tail()),
  });
  const run = (extra: Readonly<Record<string, string>>, parameters: readonly string[]): Promise<ProgramRun> =>
    runProgram(
      {
        command: 'git',
        arguments: [...safeOptions(scheme), ...(authorization ? NO_REDIRECTS : []), ...parameters],
        cwd: request.folder,
        environment: { ...request.environment, ...GIT_ENVIRONMENT, ...extra },
        // What has a credential in its environment must not be of the user that commands are of.
        user: null,
        timeoutSeconds: Math.max(0, (deadline - performance.now()) / 1_000),
        graceSeconds,
        ...(stopGraceSeconds ? { stopGraceSeconds } : {}),
        stop,
        kill,
      },
      groups,
    );
  const git = (...parameters: string[]): Promise<ProgramRun> => run({}, parameters);
  const remoteGit = (...parameters: string[]): Promise<ProgramRun> =>
    run(authorization ? headerFor(repository, authorization.header) : {}, parameters);

  const init = await git('init', '--quiet');
  if (!succeeded(init)) return failed('git init', init);
  const fetch = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules'];
  const shallow = await remoteGit(...fetch, '--depth=1', '--end-of-options', repository, commit);
  if (!succeeded(shallow)) {
    if (!REFUSES_BARE_SHA.test(shallow.stderr.tail())) return failed('git fetch', shallow);
    const deep = await remoteGit(...fetch, '--end-of-options', repository, ...ALL_REFS);
    if (!succeeded(deep)) return failed('git fetch', deep);
  }
  const checkedOut = await git('checkout', '--quiet', '--detach', commit);
  if (!succeeded(checkedOut)) return failed('git checkout', checkedOut);
  if (!request.submodules) return { kind: 'done' };
  // Addresses such as `../library.git` are relative to that of the remote.
  const remote = await git('config', 'remote.origin.url', repository);
  if (!succeeded(remote)) return failed('git config', remote);
  const submodules = await remoteGit('submodule', '--quiet', 'update', '--init', '--recursive', '--depth', '1');
  return succeeded(submodules) ? { kind: 'done' } : failed('git submodule update', submodules);
}

/** Git's configuration in its environment (git-config, "ENVIRONMENT"): a header for that host alone. */
const headerFor = (repository: string, header: string): Record<string, string> => ({
  GIT_CONFIG_COUNT: '1',
  GIT_CONFIG_KEY_0: `http.${new URL(repository).origin}/.extraHeader`,
  GIT_CONFIG_VALUE_0: `Authorization: ${header}`,
});

/** Git sends its extra header along to wherever it is redirected. */
const NO_REDIRECTS = ['-c', 'http.followRedirects=false'];

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

const SAID_CHARACTERS = 1_000;

/** `git fetch failed with exit code 128: …` with the tail of what it said, without what is to be hidden. */
export function describeFailedRun(what: string, run: ProgramRun, hide: readonly string[] = []): string {
  // Hidden before it is cut: half a secret would not be found.
  const clean = (text: string): string =>
    hide.reduce((rest, secret) => rest.replaceAll(secret, '***'), text.trim()).slice(-SAID_CHARACTERS);
  const said = clean(run.stderr.tail()) || clean(run.stdout.tail());
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
