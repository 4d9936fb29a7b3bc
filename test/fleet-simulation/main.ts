/** `npm run simulate:fleet`: Shoal's scaling against that of others, over a cloud that is made up from a seed. */
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { chartOf } from './chart.ts';
import { type Comparison, compare } from './compare.ts';
import { reportOf, tableOf } from './report.ts';
import { WORKLOAD_NAMES, workloadOf, workloadOfCsv } from './workloads.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    workload: { type: 'string', multiple: true, default: [] },
    trace: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    chart: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const HELP = `npm run simulate:fleet -- [options]

  --seeds N         so many clouds (and workloads) for each; 5 unless told
  --workload NAME   only this one: ${WORKLOAD_NAMES.join(', ')}
  --trace FILE      a CSV with the columns arrival_seconds,duration_seconds,job_id, instead of made-up workloads
  --json            the figures as JSON
  --chart FILE      draws them as SVG, too
`;

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const names = values.workload.length > 0 ? values.workload : values.trace.length > 0 ? [] : WORKLOAD_NAMES;
  const traces = await Promise.all(
    values.trace.map(async (file) => workloadOfCsv(basename(file), await readFile(file, 'utf8'))),
  );
  const comparisons: Comparison[] = [];
  for (let seed = 1; seed <= Number(values.seeds); seed += 1) {
    for (const workload of [...names.map((name) => workloadOf(name, seed)), ...traces]) {
      comparisons.push(await compare(workload, seed));
    }
  }
  const report = reportOf(comparisons);
  if (values.chart) await writeFile(values.chart, chartOf(report));
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : `${tableOf(report)}\n`);
}

await main();
