/** `npm run simulate:fleet`: Shoal's scaling against that of others, over a cloud that is made up from a seed. */

import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { argumentsOrExit } from '../../local/arguments-or-exit.ts';
import { chartOf } from './chart.ts';
import { type Comparison, compare } from './compare.ts';
import { reportOf, tableOf } from './report.ts';
import { WORKLOAD_NAMES, type Workload, workloadOf, workloadOfCsv } from './workloads.ts';

const HELP = `Holds Shoal's scaling against other policies, over the same made-up clouds: what each costs, and how
long jobs wait for it. No cloud is asked, nothing is launched.

  npm run simulate:fleet -- [--seeds 5] [--workload NAME] [--trace FILE] [--json] [--chart FILE]

  --seeds     so many clouds (and workloads) for each (default: 5)
  --workload  only this one, or these: ${WORKLOAD_NAMES.join(', ')}
  --trace     instead of made-up workloads a CSV with the columns arrival_seconds,duration_seconds,job_id
  --json      the figures as JSON
  --chart     draws them as SVG, too

Example:  npm run simulate:fleet -- --seeds 1 --workload bursty

Ends with 0 whatever the figures are, with 2 for a wrong option or a trace that cannot be read.`;

interface Arguments {
  readonly seeds: number;
  readonly workloads: readonly string[];
  readonly traces: readonly Workload[];
  readonly json: boolean;
  readonly chart: string | undefined;
}

async function readArguments(): Promise<Arguments | 'help'> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '5' },
      workload: { type: 'string', multiple: true, default: [] },
      trace: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      chart: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const { seeds, workload: named, trace, json, chart } = values;
  if (!/^[1-9]\d{0,5}$/.test(seeds)) throw new Error('--seeds must be a number from 1 to 999999');
  if (!named.every((name) => WORKLOAD_NAMES.includes(name)))
    throw new Error(`--workload must be one of ${WORKLOAD_NAMES.join(', ')}`);
  const traces = await Promise.all(
    trace.map(async (file) => workloadOfCsv(basename(file), await readFile(file, 'utf8'))),
  );
  const workloads = named.length > 0 || traces.length > 0 ? named : WORKLOAD_NAMES;
  return { seeds: Number(seeds), workloads, traces, json, chart };
}

const { seeds, workloads, traces, json, chart } = await argumentsOrExit(HELP, readArguments);
const comparisons: Comparison[] = [];
for (let seed = 1; seed <= seeds; seed += 1) {
  for (const workload of [...workloads.map((name) => workloadOf(name, seed)), ...traces]) {
    comparisons.push(await compare(workload, seed));
  }
}
const report = reportOf(comparisons);
if (chart) await writeFile(chart, chartOf(report));
console.log(json ? JSON.stringify(report, null, 2) : tableOf(report));
