// Multiplies two matrices a task. Started once, and then fed one line of JSON a task (protocol "jsonl"): each line in,
//
//   { "size": 120, "seed": 7 }
//
// is answered with one line out:
//
//   { "size": 120, "trace": 1042411, "sum": 125031842 }
//
// The loop ends when standard input does.
import { createInterface } from 'node:readline';

/** Small whole numbers that look random and are the same everywhere (a linear congruential generator). */
function randomMatrix(size, seed) {
  let state = seed >>> 0;
  return Float64Array.from({ length: size * size }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 28; // 0 to 15
  });
}

function multiply(a, b, size) {
  const product = new Float64Array(size * size);
  for (let row = 0; row < size; row += 1) {
    for (let k = 0; k < size; k += 1) {
      const factor = a[row * size + k];
      // Along the rows of both: in the order in which they lie in memory.
      for (let column = 0; column < size; column += 1) product[row * size + column] += factor * b[k * size + column];
    }
  }
  return product;
}

function answer({ size, seed }) {
  if (!Number.isInteger(size) || size < 1 || size > 2_000)
    throw new Error('"size" must be a whole number from 1 to 2000');
  if (!Number.isInteger(seed)) throw new Error('"seed" must be a whole number');
  const product = multiply(randomMatrix(size, seed), randomMatrix(size, seed + 1), size);
  let trace = 0;
  for (let at = 0; at < size; at += 1) trace += product[at * size + at];
  return { size, trace, sum: product.reduce((sum, each) => sum + each, 0) };
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify(answer(JSON.parse(line))));
  } catch (error) {
    // This task fails; the command goes on with the next one.
    console.log(JSON.stringify({ shoal: 'failed', message: error.message, retry: false }));
  }
}
