/** `npm run chaos`: the whole pipeline under attack, and whether its promises hold. */
import { argumentsOrExit } from '../../local/arguments-or-exit.ts';
import { onStopSignals } from '../../local/stop-signals.ts';
import { HELP, readArguments } from './arguments.ts';
import { runChaos } from './chaos-run.ts';
import { reportOf } from './report.ts';

const drawSeed = (): number => Math.floor(Math.random() * 1_000_000);
const { json, ...options } = await argumentsOrExit(HELP, () => readArguments(process.argv.slice(2), drawSeed));
const abort = new AbortController();
onStopSignals(
  () => abort.abort(new Error('interrupted')),
  () => process.exit(130),
);
console.error(`seed ${options.seed}: ${options.tasks} tasks, ${options.minutes} min of attack`);
try {
  const report = await runChaos({ ...options, onProgress: (line) => console.error(line), signal: abort.signal });
  console.log(json ? JSON.stringify(report, null, 2) : reportOf(report));
  process.exitCode = report.held ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = abort.signal.aborted ? 130 : 1;
}
