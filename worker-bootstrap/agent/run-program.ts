/**
 * Runs one program in a process group of its own, to its end or to ours: a time limit, a stop (SIGTERM, SIGKILL after
 * the grace) or a kill. When the program ends, whatever it left behind in its group is killed.
 */
import { BoundedOutput } from './bounded-output.ts';
import type { KeptOutput } from './kept-output.ts';
import { LastLineReader } from './last-line.ts';
import { OutputGate } from './output-gate.ts';
import {
  type Command,
  type EndedFor,
  guardGroup,
  type ProgramEnd,
  type RunLimits,
  startGroup,
} from './process-group.ts';
import type { ProcessGroups } from './process-groups.ts';

/** Bytes of stdout and of stderr that are kept. */
const KEPT_OUTPUT_BYTES = 64 * 1024;

export interface Program extends Command, RunLimits {
  readonly stdin?: string;
  /** Gets all that is printed. */
  readonly kept?: KeptOutput;
}

export interface ProgramRun {
  readonly end: ProgramEnd;
  /** What we ended it for, if we did. */
  readonly endedFor: EndedFor;
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
  const group = await startGroup(program, groups);
  if (group.kind === 'not-started') return { end: group, endedFor: null, seconds: 0, ...output };
  const { child, pgid, exited } = group;
  const gate = new OutputGate();
  gate.read(child.stdout, (chunk) => {
    output.stdout.append(chunk);
    output.lastLine.append(chunk);
    program.kept?.append(chunk);
  });
  gate.read(child.stderr, (chunk) => {
    output.stderr.append(chunk);
    program.kept?.append(chunk);
  });
  child.stdin?.end(program.stdin ?? '');

  const { end, endedFor } = await endOf(program, pgid, exited);
  const seconds = secondsSince(began);
  gate.open();
  await group.cleanUp();
  return { end, endedFor, seconds, ...output };
}

async function endOf(limits: RunLimits, pgid: number, exited: Promise<ProgramEnd>) {
  using guard = guardGroup(limits, pgid);
  const end = await exited;
  return { end, endedFor: guard.endedFor() };
}

/** Seconds to the millisecond since a time of `performance.now()`. */
export const secondsSince = (began: number): number => Math.round(performance.now() - began) / 1_000;
