/**
 * Runs one program in a process group of its own, to its end or to ours: a time limit, a stop (SIGTERM, SIGKILL after
 * the grace) or a kill. When the program ends, whatever it left behind in its group is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { BoundedOutput } from './bounded-output.ts';
import { LastLineReader } from './last-line.ts';
import { type ProcessGroups, signalGroup } from './process-groups.ts';

/** Bytes of stdout and of stderr that are kept. */
const KEPT_OUTPUT_BYTES = 64 * 1024;
/** How long a process that left the group may hold our end of its pipes open. */
const CLOSE_MS = 1_000;

export interface Program {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly timeoutSeconds: number;
  readonly graceSeconds: number;
  /** Aborted: SIGTERM to the group, SIGKILL after the grace. */
  readonly stop: AbortSignal;
  /** Aborted: SIGKILL at once. */
  readonly kill: AbortSignal;
}

export type ProgramEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signalled'; readonly signal: string }
  | { readonly kind: 'not-started'; readonly code: string; readonly message: string };

export interface ProgramRun {
  readonly end: ProgramEnd;
  /** What we ended it for, if we did: whichever came first. */
  readonly endedFor: 'timeout' | 'stop' | null;
  readonly seconds: number;
  readonly stdout: BoundedOutput;
  readonly stderr: BoundedOutput;
  readonly lastLine: LastLineReader;
}

/** Runs a program; every way in which it can end is an answer, never a throw. */
export async function runProgram(program: Program, groups: ProcessGroups): Promise<ProgramRun> {
  const began = performance.now();
  const output = {
    stdout: new BoundedOutput(KEPT_OUTPUT_BYTES),
    stderr: new BoundedOutput(KEPT_OUTPUT_BYTES),
    lastLine: new LastLineReader(),
  };
  const child = start(program);
  if (!('pid' in child) || child.pid === undefined) {
    const end = 'kind' in child ? child : await startError(child);
    return { end, endedFor: null, seconds: 0, ...output };
  }
  const pgid = child.pid;
  groups.record(pgid);
  child.stdout?.on('data', (chunk: Buffer) => {
    output.stdout.append(chunk);
    output.lastLine.append(chunk);
  });
  child.stderr?.on('data', (chunk: Buffer) => output.stderr.append(chunk));
  // EPIPE: a command need not read its input.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(program.stdin ?? '');

  const guard = guardProgram(program, pgid);
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const end = await new Promise<ProgramEnd>((resolve) => {
    child.once('exit', (code, signal) =>
      resolve(code === null ? { kind: 'signalled', signal: signal ?? 'unknown' } : { kind: 'exited', code }),
    );
  });
  const seconds = Math.round(performance.now() - began) / 1_000;
  guard.dispose();
  signalGroup(pgid, 'SIGKILL');
  await closedOrCut(child, closed);
  groups.forget(pgid);
  return { end, endedFor: guard.endedFor(), seconds, ...output };
}

function start(program: Program): ChildProcess | Extract<ProgramEnd, { kind: 'not-started' }> {
  try {
    return spawn(program.command, program.arguments, {
      cwd: program.cwd,
      env: { ...program.environment },
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    // Some errors (E2BIG, EACCES) are thrown, others (ENOENT) are emitted.
    return notStarted(error);
  }
}

const startError = (child: ChildProcess): Promise<Extract<ProgramEnd, { kind: 'not-started' }>> =>
  new Promise((resolve) => child.once('error', (error) => resolve(notStarted(error))));

function notStarted(error: unknown): Extract<ProgramEnd, { kind: 'not-started' }> {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN';
  return { kind: 'not-started', code, message: error instanceof Error ? error.message : String(error) };
}

/** Ends the group for the first reason that comes: its time is up, it is stopped, it is killed. */
function guardProgram(program: Program, pgid: number) {
  let endedFor: ProgramRun['endedFor'] = null;
  let force: NodeJS.Timeout | undefined;
  const endGroup = (reason: 'timeout' | 'stop'): void => {
    if (endedFor !== null) return;
    endedFor = reason;
    signalGroup(pgid, 'SIGTERM');
    force = setTimeout(() => signalGroup(pgid, 'SIGKILL'), program.graceSeconds * 1_000);
  };
  const onStop = (): void => endGroup('stop');
  const onKill = (): void => {
    endedFor ??= 'stop';
    signalGroup(pgid, 'SIGKILL');
  };
  const limit = setTimeout(() => endGroup('timeout'), program.timeoutSeconds * 1_000);
  program.stop.addEventListener('abort', onStop);
  program.kill.addEventListener('abort', onKill);
  if (program.stop.aborted) onStop();
  if (program.kill.aborted) onKill();
  return {
    endedFor: () => endedFor,
    dispose: (): void => {
      clearTimeout(limit);
      clearTimeout(force);
      program.stop.removeEventListener('abort', onStop);
      program.kill.removeEventListener('abort', onKill);
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
