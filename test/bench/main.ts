/** `npm run bench`: what a task costs in requests, units, time and memory, and whether that keeps to the budgets. */

import { parseArgs } from 'node:util';
import { argumentsOrExit } from '../../local/arguments-or-exit.ts';
import { onStopSignals } from '../../local/stop-signals.ts';
import { PROTOCOLS, type Protocol, runBench } from './bench-run.ts';
import { type BenchFigures, faultsOfGrowth, faultsOfRun } from './figures.ts';
import { comparisonOf, reportOf } from './report.ts';

const HELP = `Runs a job of no-op tasks through the whole pipeline on this machine, and counts what it costs a task.

  npm run bench -- [--tasks 10000] [--sizes 1000,10000,50000] [--machines 2] [--slots 2] [--protocol jsonl] [--json]

  --tasks     how many tasks (default: 10000)
  --sizes     several runs instead, one a size, and a comparison: neither requests a task nor memory may grow with it
  --machines  how many machines (default: 2)
  --slots     how many tasks each runs at once (default: 2)
  --protocol  jsonl: one command a slot; process: one a task (default: jsonl)
  --json      the figures as JSON on stdout; progress goes to stderr in any case

Example:  npm run bench -- --tasks 2000 --machines 1
          npm run bench -- --sizes 10000,100000      memory over 100,000 tasks (some three minutes)

Ends with 0 if the figures keep to their budgets (for 1,000 tasks and more), with 1 naming what is over, with 2 for a
wrong option.`;

interface Arguments {
  readonly sizes: readonly number[];
  readonly compare: boolean;
  readonly machines: number;
  readonly slots: number;
  readonly protocol: Protocol;
  readonly json: boolean;
}

function positive(text: string, option: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > 100_000)
    throw new Error(`${option} must be a number from 1 to 100000`);
  return number;
}

function readArguments(): Arguments | 'help' {
  const options = {
    tasks: { type: 'string', default: '10000' },
    sizes: { type: 'string' },
    machines: { type: 'string', default: '2' },
    slots: { type: 'string', default: '2' },
    protocol: { type: 'string', default: 'jsonl' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help) return 'help';
  const protocol = PROTOCOLS.find((each) => each === values.protocol);
  if (!protocol) throw new Error(`--protocol must be one of ${PROTOCOLS.join(', ')}`);
  const sizes = (values.sizes ?? values.tasks)
    .split(',')
    .map((size) => positive(size, values.sizes ? '--sizes' : '--tasks'));
  const machines = positive(values.machines, '--machines');
  return {
    sizes,
    compare: sizes.length > 1,
    machines,
    slots: positive(values.slots, '--slots'),
    protocol,
    json: values.json,
  };
}

async function main(): Promise<number> {
  const { sizes, compare, json, ...settings } = await argumentsOrExit(HELP, readArguments);
  const abort = new AbortController();
  onStopSignals(
    () => abort.abort(new Error('interrupted')),
    () => process.exit(130),
  );
  const tell = (line: string): void => console.error(line);
  const runs: BenchFigures[] = [];
  try {
    for (const tasks of sizes) {
      tell(`${tasks} ${settings.protocol} tasks, ${settings.machines} machine(s) of ${settings.slots} slot(s) …`);
      const figures = await runBench({ ...settings, tasks, onProgress: tell, signal: abort.signal });
      runs.push(figures);
      if (!json) console.log(`\n${reportOf(figures)}\n`);
    }
  } catch (error) {
    const reason = abort.signal.aborted ? abort.signal.reason : error;
    console.error(`The bench failed: ${reason instanceof Error ? reason.message : String(reason)}`);
    return abort.signal.aborted ? 130 : 1;
  }
  if (compare && !json) console.log(`${comparisonOf(runs)}\n`);
  const faults = [...runs.flatMap(faultsOfRun), ...faultsOfGrowth(runs)];
  if (json) console.log(JSON.stringify({ ...settings, runs, faults }, null, 2));
  for (const fault of faults) console.error(`over budget: ${fault}`);
  if (faults.length === 0) tell('all figures keep to their budgets');
  return faults.length === 0 ? 0 : 1;
}

process.exit(await main());
