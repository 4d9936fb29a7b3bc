/** A command in a process group of its own: how it is started, guarded by limits, and cleaned up after. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type ProcessGroups, signalGroup } from './process-groups.ts';
import type { TaskUser } from './task-user.ts';

/** How long a process that left the group may hold our end of its pipes open. */
const CLOSE_MS = 1_000;

export interface Command {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  /** `null`: the agent's own. Any other loses all groups but its own. */
  readonly user: TaskUser | null;
}

export interface RunLimits {
  readonly timeoutSeconds: number;
  readonly graceSeconds: number;
  /** The grace after a stop, where that is another one than after a timeout. */
  readonly stopGraceSeconds?: () => number;
  /** Aborted: SIGTERM to the group, SIGKILL after the grace. */
  readonly stop: AbortSignal;
  /** Aborted: SIGKILL at once. */
  readonly kill: AbortSignal;
}

export type NotStarted = { readonly kind: 'not-started'; readonly code: string; readonly message: string };

export type ProgramEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signalled'; readonly signal: string }
  | NotStarted;

export interface StartedGroup {
  readonly kind: 'started';
  readonly child: ChildProcess;
  readonly pgid: number;
  /** Resolves when the command itself ends; its children may still be there. */
  readonly exited: Promise<ProgramEnd>;
  /** After `exited`: kills what the command left behind, waits for the last output, forgets the group. */
  readonly cleanUp: () => Promise<void>;
}

/** Starts a command; that it could not be started is an answer, never a throw. */
export async function startGroup(command: Command, groups: ProcessGroups): Promise<StartedGroup | NotStarted> {
  const child = trySpawn(command);
  if ('kind' in child) return child;
  const pgid = child.pid;
  if (pgid === undefined) return startError(child);
  try {
    groups.record(pgid);
  } catch (error) {
    // A full disk: what nobody recorded must not run on.
    signalGroup(pgid, 'SIGKILL');
    throw error;
  }
  // EPIPE: a command need not read its input.
  child.stdin?.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const exited = new Promise<ProgramEnd>((resolve) => {
    child.once('exit', (code, signal) =>
      resolve(code === null ? { kind: 'signalled', signal: signal ?? 'unknown' } : { kind: 'exited', code }),
    );
  });
  const cleanUp = async (): Promise<void> => {
    signalGroup(pgid, 'SIGKILL');
    await closedOrCut(child, closed);
    groups.forget(pgid);
  };
  return { kind: 'started', child, pgid, exited, cleanUp };
}

function trySpawn(command: Command): ChildProcess | NotStarted {
  try {
    return spawn(command.command, command.arguments, {
      cwd: command.cwd,
      env: { ...command.environment },
      ...command.user,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    // Some errors (E2BIG, EACCES) are thrown, others (ENOENT) are emitted.
    return notStarted(error);
  }
}

const startError = (child: ChildProcess): Promise<NotStarted> =>
  new Promise((resolve) => child.once('error', (error) => resolve(notStarted(error))));

function notStarted(error: unknown): NotStarted {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN';
  return { kind: 'not-started', code, message: error instanceof Error ? error.message : String(error) };
}

/** What a group was ended for: whichever came first. */
export type EndedFor = 'timeout' | 'stop' | null;

export interface Guard extends Disposable {
  readonly endedFor: () => EndedFor;
}

/** Ends the group for the first reason that comes: its time is up, it is stopped, it is killed. */
export function guardGroup(limits: RunLimits, pgid: number): Guard {
  let endedFor: EndedFor = null;
  let force: NodeJS.Timeout | undefined;
  const endGroup = (reason: 'timeout' | 'stop'): void => {
    if (endedFor !== null) return;
    endedFor = reason;
    signalGroup(pgid, 'SIGTERM');
    const ofStop = reason === 'stop' ? limits.stopGraceSeconds?.() : undefined;
    force = setTimeout(() => signalGroup(pgid, 'SIGKILL'), (ofStop ?? limits.graceSeconds) * 1_000);
  };
  const onStop = (): void => endGroup('stop');
  const onKill = (): void => {
    endedFor ??= 'stop';
    signalGroup(pgid, 'SIGKILL');
  };
  const limit = setTimeout(() => endGroup('timeout'), limits.timeoutSeconds * 1_000);
  limits.stop.addEventListener('abort', onStop);
  limits.kill.addEventListener('abort', onKill);
  if (limits.stop.aborted) onStop();
  if (limits.kill.aborted) onKill();
  return {
    endedFor: () => endedFor,
    [Symbol.dispose]: (): void => {
      clearTimeout(limit);
      clearTimeout(force);
      limits.stop.removeEventListener('abort', onStop);
      limits.kill.removeEventListener('abort', onKill);
    },
  };
}

/** All output is read when the pipes close; a process that escaped the group must not keep us waiting for that. */
async function closedOrCut(child: ChildProcess, closed: Promise<void>): Promise<void> {
  let cut: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    cut = setTimeout(resolve, CLOSE_MS);
  });
  await Promise.race([closed, late]);
  clearTimeout(cut);
  child.stdin?.destroy();
  child.stdout?.destroy();
  child.stderr?.destroy();
}
