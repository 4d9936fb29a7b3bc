// Counts the words of one text. The input comes as one line of JSON on standard input:
//
//   { "text": "to be or not to be", "sleep": 1 }
//
// and the result leaves as the last line of standard output:
//
//   { "words": 6, "unique": 4, "top": [["be", 2], ["to", 2], ["not", 1]] }
//
// `sleep` is how many seconds to take: real work would take its time, too.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const { text, sleep = 1 } = JSON.parse(readFileSync(0, 'utf8'));
if (typeof text !== 'string') {
  console.error('the input needs a "text"');
  process.exit(1);
}

const words = text.toLowerCase().match(/\p{L}[\p{L}\p{M}'’-]*/gu) ?? [];
const counts = new Map();
for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
const byCount = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));

// Anything may be printed on the way; only the last line counts.
console.log(`counting ${words.length} words`);
await delay(sleep * 1000);
console.log(JSON.stringify({ words: words.length, unique: counts.size, top: byCount.slice(0, 3) }));
