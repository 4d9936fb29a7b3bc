/** `npm run doctor`: whether a deployment, and every link between its clouds, is as it should be. */

import { join, resolve } from 'node:path';
import { argumentsOrExit } from '../local/arguments-or-exit.ts';
import { PROJECT_ROOT } from '../local/project-root.ts';
import { type DoctorArguments, HELP, readArguments } from './doctor/arguments.ts';
import { examine } from './doctor/examine.ts';
import type { Finding } from './doctor/finding.ts';
import { localChecks } from './doctor/local-checks.ts';
import { table } from './doctor/print.ts';
import { runChecks } from './doctor/run-checks.ts';

/** As `npm start` takes them. */
const LOCAL_PORT = 4_100;

const look = ({ local, data, fleets, stage, region, limitMs }: DoctorArguments): Promise<readonly Finding[]> =>
  local
    ? runChecks(
        localChecks({
          dataDirectory: resolve(data ?? join(PROJECT_ROOT, '.shoal')),
          nodeVersion: process.version,
          git: 'git',
          basePort: LOCAL_PORT,
        }),
        limitMs,
      )
    : examine({
        fleetsFile: resolve(fleets ?? join(PROJECT_ROOT, 'fleets.yml')),
        stage,
        region,
        limitMs,
        clock: { now: () => new Date() },
        environment: process.env,
      });

const told = await argumentsOrExit(HELP, () => readArguments(process.argv.slice(2)));
const findings = await look(told);
const isWell = findings.every(({ status }) => status !== 'failed');
console.log(told.json ? JSON.stringify({ ok: isWell, findings }, null, 2) : table(findings));
// A look that took too long may still be waiting: nobody waits for it.
process.exit(isWell ? 0 : 1);
