/** Runs one seed, and tells of it. */
import type { Mutant } from './mutants.ts';
import { short } from './trace.ts';
import { type Violation, World } from './world.ts';

const TOLD_LINES = 60;

export interface SeedRun {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** What led to the violation, and everything that happened. */
  readonly story: () => readonly string[];
  readonly trace: () => readonly string[];
  readonly steps: number;
  /** Of CPU time. */
  readonly milliseconds: number;
  readonly virtualSeconds: number;
}

export async function runSeed(seed: number, mutant?: Mutant): Promise<SeedRun> {
  const began = cpuMs();
  const world = new World(seed, mutant);
  const start = world.scheduler.nowMs;
  // Thousands of failures are part of a run: where they were thrown is of no interest.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  await world.run();
  Error.stackTraceLimit = stackTraceLimit;
  return {
    seed,
    violation: world.violation,
    story: () => world.trace.story((world.violation?.about ?? []).map(short), TOLD_LINES),
    trace: () => world.trace.all(),
    steps: world.scheduler.steps,
    milliseconds: cpuMs() - began,
    virtualSeconds: (world.scheduler.nowMs - start) / 1_000,
  };
}

/** What broke, how it came to that, and the command that shows it again. */
export const tell = ({ seed, violation, story }: SeedRun): string =>
  [
    `seed ${seed}: ${short(violation?.what ?? 'no promise was broken')}`,
    ...story(),
    `again: npm run simulate -- --seeds 1 --first ${seed}`,
  ].join('\n');

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
