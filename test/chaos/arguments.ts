/** What `npm run chaos` can be told. */
import { parseArgs } from 'node:util';

export const HELP = `Runs jobs through the whole pipeline on this machine while machines, functions and queues are attacked.

  npm run chaos -- [--tasks 1000] [--minutes 2] [--seed N] [--data FOLDER] [--json]

  --tasks    how many tasks, in four jobs (default: 1000)
  --minutes  how long to attack (default: 2); the jobs then get a few minutes to end
  --seed     the same seed attacks in the same order; what meets what is up to this machine (drawn when left out)
  --data     the folder of the run (default: a temporary one; it is kept when something did not hold)
  --json     the report as JSON on stdout; progress goes to stderr in any case
  --help     this text

Example:  npm run chaos -- --tasks 200 --minutes 0.5 --seed 7

Ends with 0 if every promise held, with 1 naming those that did not, with 2 for a wrong option.`;

export interface ChaosArguments {
  readonly tasks: number;
  readonly minutes: number;
  readonly seed: number;
  readonly data: string | undefined;
  readonly json: boolean;
}

/** @returns `help` when that is what is asked for. @throws Error with a line for people */
export function readArguments(args: readonly string[], drawSeed: () => number): ChaosArguments | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tasks: { type: 'string', default: '1000' },
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string' },
      data: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const within = (text: string, option: string, from: number, to: number): number => {
    const number = Number(text);
    if (text.trim() === '' || !(number >= from && number <= to)) {
      throw new Error(`${option} must be a number from ${from} to ${to}`);
    }
    return number;
  };
  return {
    tasks: Math.round(within(values.tasks, '--tasks', 4, 100_000)),
    minutes: within(values.minutes, '--minutes', 0.05, 600),
    seed: Math.round(within(values.seed ?? String(drawSeed()), '--seed', 0, 2 ** 31 - 1)),
    data: values.data,
    json: values.json,
  };
}
