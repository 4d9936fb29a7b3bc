/** A chaos run in words: what was done to it, what held, and one line that says it all. */
import type { ChaosReport } from './chaos-run.ts';

export function reportOf({ seed, tasks, seconds, done, promises, held, folder }: ChaosReport): string {
  const width = Math.max(...Object.keys(done).map((name) => name.length), 0);
  const broken = promises.filter((each) => !each.held).length;
  const blows = Object.values(done).reduce((sum, count) => sum + count, 0);
  const summary = held
    ? `HELD: ${tasks} tasks, ${blows} blows in ${seconds} s, seed ${seed}`
    : `BROKEN: ${broken} of ${promises.length} promises, ${tasks} tasks, ${blows} blows, seed ${seed}; the run is kept in ${folder}`;
  return [
    'What was done to it',
    ...Object.entries(done).map(([name, count]) => `  ${name.padEnd(width)}  ${count}`),
    '',
    'What held',
    ...promises.map(({ promise, held: each, finding }) => `  ${each ? 'held  ' : 'BROKEN'}  ${promise}: ${finding}`),
    '',
    summary,
  ].join('\n');
}
