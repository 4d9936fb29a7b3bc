/** A process around the agent: signals in, exit code out. */
import { ValidationError } from '../../core/errors.ts';
import type { Lifecycle } from './lifecycle.ts';

export interface RunningAgent {
  readonly lifecycle: Lifecycle;
  readonly finished: Promise<unknown>;
}

/** Starts the agent and ends the process with it: 0 after an orderly end, 1 after a fault, 78 for bad settings. */
export async function runAsProgram(start: () => Promise<RunningAgent>): Promise<never> {
  try {
    const { lifecycle, finished } = await start();
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => lifecycle.onSignal(signal));
    await finished;
    process.exit(0);
  } catch (error) {
    const faults = error instanceof ValidationError ? error.faults.map((each) => `${each.path} ${each.message}`) : [];
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${[message, ...faults].join('; ')}\n`);
    // 78 is EX_CONFIG of sysexits.h.
    process.exit(error instanceof ValidationError ? 78 : 1);
  }
}
