/** `npm run simulate`: searches seeds for a broken promise. */

import { parseArgs } from 'node:util';
import { argumentsOrExit } from '../../local/arguments-or-exit.ts';
import { MUTANTS, type Mutant } from './mutants.ts';
import { runSeed, tell } from './run-seed.ts';

const HELP = `Runs worlds of fakes under faults, one a seed, and looks for a broken promise (docs/reference/simulation.md).

  npm run simulate -- [--seeds 1000] [--first 1] [--all] [--trace] [--mutant NAME] [--mutants]

  --seeds N      so many seeds (default: 1000)
  --first N      beginning with this one (default: 1)
  --all          goes on after a broken promise
  --trace        tells everything that happened
  --mutant NAME  with one rule left out: a seed must catch it
  --mutants      with each of them in turn

Mutants: ${MUTANTS.map(({ name }) => name).join(', ')}

Example:  npm run simulate -- --seeds 1 --first 47 --trace

Ends with 0 if all promises hold (or every mutant is caught), with 1 if not, with 2 for a wrong option.`;

function positive(text: string, option: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${option} must be a positive number`);
  return Number(text);
}

function readArguments() {
  const options = {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    mutant: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help) return 'help';
  const mutant = MUTANTS.find((each) => each.name === values.mutant);
  if (values.mutant && !mutant) throw new Error(`there is no mutant ${values.mutant}`);
  const [seeds, first] = [positive(values.seeds, '--seeds'), positive(values.first, '--first')];
  return { ...values, seeds, first, mutant };
}

const { seeds, first, all, trace, mutants, mutant } = await argumentsOrExit(HELP, readArguments);

async function search(mutant?: Mutant): Promise<number> {
  let ms = 0;
  let broken = 0;
  let slowest = { seed: 0, ms: 0 };
  let steps = 0;
  for (let seed = first; seed < first + seeds; seed += 1) {
    const run = await runSeed(seed, mutant);
    steps += run.steps;
    ms += run.milliseconds;
    if (run.milliseconds > slowest.ms) slowest = { seed, ms: run.milliseconds };
    if (trace) console.log(run.trace().join('\n'));
    if (!run.violation) continue;
    broken += 1;
    if (mutant) {
      console.log(`${mutant.name}: caught by seed ${seed}: ${run.violation.what}`);
      return 1;
    }
    console.log(all ? `seed ${seed}: ${run.violation.what}` : tell(run));
    if (!all) break;
  }
  if (mutant) console.log(`${mutant.name}: NOT caught by ${seeds} seeds`);
  else {
    console.log(
      `${seeds} seeds, ${broken} broken, ${(ms / seeds).toFixed(1)} ms of CPU and ${Math.round(steps / seeds)} steps a seed; ` +
        `slowest ${slowest.seed}: ${slowest.ms.toFixed(0)} ms`,
    );
  }
  return broken;
}

if (mutants) {
  let missed = 0;
  for (const mutant of MUTANTS) if ((await search(mutant)) === 0) missed += 1;
  process.exit(missed > 0 ? 1 : 0);
}
process.exit((await search(mutant)) > 0 !== (mutant !== undefined) ? 1 : 0);
