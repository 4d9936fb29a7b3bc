/** Why a command failed, in words: what a person reads first when a task did not work. */
import { constants } from 'node:fs';
import { access, open, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Failure } from '../../core/task.ts';
import type { NotStarted } from './process-group.ts';
import type { ProgramRun } from './run-program.ts';

const STDERR_TAIL_BYTES = 2 * 1024;

/** The failure of a command that ran and did not exit with 0, or ran out of time; `null` if it did neither. */
export function failureOfRun(
  run: Pick<ProgramRun, 'end' | 'endedFor' | 'stderr'>,
  timeoutSeconds: number,
): Failure | null {
  const tail = run.stderr.tail(STDERR_TAIL_BYTES);
  const stderrTail = tail === '' ? {} : { stderrTail: tail };
  if (run.endedFor === 'timeout') {
    return { code: 'timeout', message: `timed out after ${timeoutSeconds} s`, ...stderrTail };
  }
  if (run.end.kind === 'signalled') {
    const { signal } = run.end;
    return { code: 'signal', message: `was ended by signal ${signal}`, signal, ...stderrTail };
  }
  if (run.end.kind !== 'exited' || run.end.code === 0) return null;
  const said = run.stderr.lastLine();
  const message = `exited with code ${run.end.code}${said ? `: ${said}` : ''}`;
  return { code: 'exit', message, exitCode: run.end.code, ...stderrTail };
}

export type StartFailure =
  | { readonly kind: 'failure'; readonly failure: Failure }
  /** Not the task's fault: somebody removed its checkout, or the machine is short of something. */
  | { readonly kind: 'checkout-gone' | 'machine'; readonly reason: string };

/** Why a command could not even be started. */
export async function explainStartFailure(
  end: NotStarted,
  command: string,
  cwd: string,
  path: string,
): Promise<StartFailure> {
  const failure = (code: Failure['code'], message: string): StartFailure => ({
    kind: 'failure',
    failure: { code, message },
  });
  switch (end.code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ELOOP':
    case 'ENAMETOOLONG': {
      // The same error for a missing command, a missing interpreter and a missing working directory.
      if (!(await isFolder(cwd))) return { kind: 'checkout-gone', reason: 'the checkout is gone' };
      const file = await locate(command, cwd, path);
      const interpreter = file && (await interpreterOf(file));
      if (!interpreter) return failure('command-not-found', `the command \`${command}\` was not found`);
      return failure('command-not-found', `the interpreter of \`${command}\` was not found: ${interpreter}`);
    }
    case 'EACCES':
    case 'EPERM':
    case 'ENOEXEC':
      return failure('command-not-executable', `the command \`${command}\` is not executable`);
    case 'E2BIG':
      return failure('command-not-executable', `the arguments and environment of \`${command}\` are too long`);
    default:
      return { kind: 'machine', reason: `the command could not be started: ${end.message}` };
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** The file that a command names, looked up as exec does. */
async function locate(command: string, cwd: string, path: string): Promise<string | undefined> {
  const candidates = command.includes('/')
    ? [resolve(cwd, command)]
    : path.split(':').map((folder) => join(folder, command));
  for (const candidate of candidates) {
    const executable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) return candidate;
  }
  return undefined;
}

/** The first line of a script, `#!/usr/bin/python3`; `undefined` for anything else. */
async function interpreterOf(file: string): Promise<string | undefined> {
  await using handle = await open(file, 'r');
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0);
  const line = buffer.toString('latin1', 0, bytesRead).split('\n')[0] ?? '';
  return line.startsWith('#!') ? line.trim() : undefined;
}
