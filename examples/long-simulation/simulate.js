// A long simulation that survives the loss of its machine: a population of rabbits and foxes, step by step. The input
// comes as JSON on standard input:
//
//   { "rabbits": 1000, "foxes": 40, "steps": 200000, "seed": 1 }
//
// and the result leaves as the last line of standard output:
//
//   { "steps": 200000, "rabbits": 1312, "foxes": 77, "resumedAt": 0 }
//
// On SIGTERM it writes its whole state to $SHOAL_CHECKPOINT_FILE, if there is one, and ends with 75 ("try again"). The
// next start that finds a state there goes on from it. The state holds the random generator too: an interrupted
// simulation ends exactly as one that was left alone.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

const TRY_AGAIN = 75;
/** Steps between two looks for a signal: a signal is only noticed between turns. */
const STEPS_A_TURN = 1_000;

// First of all: a signal that comes before this ends the command at once.
let stopping = false;
process.on('SIGTERM', () => {
  stopping = true;
});

const { rabbits, foxes, steps, seed } = JSON.parse(readFileSync(0, 'utf8'));
for (const [name, value] of Object.entries({ rabbits, foxes, steps, seed })) {
  if (Number.isInteger(value) && value >= 0) continue;
  console.error(`"${name}" must be a whole number`);
  process.exit(1);
}

const checkpointFile = process.env.SHOAL_CHECKPOINT_FILE;
let state = { step: 0, rabbits, foxes, random: seed >>> 0 };
if (checkpointFile && existsSync(checkpointFile)) state = JSON.parse(readFileSync(checkpointFile, 'utf8'));
const resumedAt = state.step;
console.log(resumedAt > 0 ? `going on at step ${resumedAt}` : 'starting');

while (state.step < steps) {
  for (let turn = 0; turn < STEPS_A_TURN && state.step < steps; turn += 1) advance();
  await setImmediate();
  if (stopping && state.step < steps) {
    if (checkpointFile) {
      // Written aside and renamed: a checkpoint is there as a whole or not at all.
      writeFileSync(`${checkpointFile}.new`, JSON.stringify(state));
      renameSync(`${checkpointFile}.new`, checkpointFile);
    }
    console.error(`interrupted at step ${state.step}`);
    process.exit(TRY_AGAIN);
  }
}
console.log(JSON.stringify({ steps, rabbits: state.rabbits, foxes: state.foxes, resumedAt }));

/** One step: births, meetings, deaths, each with a little chance. */
function advance() {
  const born = chance(state.rabbits * 0.002);
  const eaten = Math.min(state.rabbits, chance(state.rabbits * state.foxes * 0.00002));
  const cubs = chance(eaten * 0.2);
  const starved = Math.min(state.foxes, chance(state.foxes * 0.005));
  state.rabbits = Math.max(2, Math.min(100_000, state.rabbits + born - eaten));
  state.foxes = Math.max(2, state.foxes + cubs - starved);
  state.step += 1;
}

/** The expected number, rounded up as often as its fraction says. */
function chance(expected) {
  return Math.floor(expected + random());
}

/** mulberry32: its whole state is one number, which fits into a checkpoint. */
function random() {
  state.random = (state.random + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state.random ^ (state.random >>> 15), state.random | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
