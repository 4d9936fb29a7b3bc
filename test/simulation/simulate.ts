/** `npm run simulate -- --seeds 1000 --first 1 [--mutant NAME] [--mutants]`: searches seeds for a broken promise. */
import { parseArgs } from 'node:util';
import { MUTANTS, type Mutant } from './mutants.ts';
import { runSeed, tell } from './run-seed.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    mutant: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    /** Goes on after a broken promise. */
    all: { type: 'boolean', default: false },
    /** Tells everything that happened. */
    trace: { type: 'boolean', default: false },
  },
});
const seeds = Number(values.seeds);
const first = Number(values.first);

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
    if (values.trace) console.log(run.trace().join('\n'));
    if (!run.violation) continue;
    broken += 1;
    if (mutant) {
      console.log(`${mutant.name}: caught by seed ${seed}: ${run.violation.what}`);
      return 1;
    }
    console.log(values.all ? `seed ${seed}: ${run.violation.what}` : tell(run));
    if (!values.all) break;
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

if (values.mutants) {
  let missed = 0;
  for (const mutant of MUTANTS) if ((await search(mutant)) === 0) missed += 1;
  process.exit(missed > 0 ? 1 : 0);
}
const mutant = MUTANTS.find((each) => each.name === values.mutant);
if (values.mutant && !mutant)
  throw new RangeError(`no mutant ${values.mutant}; there are: ${MUTANTS.map((each) => each.name).join(', ')}`);
process.exit((await search(mutant)) > 0 !== (mutant !== undefined) ? 1 : 0);
