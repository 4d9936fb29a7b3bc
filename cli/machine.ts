/** `npm run machine`: what a machine of one's own needs to join a fleet. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ValidationError } from '../core/errors.ts';
import { type Fleet, fleetsFileSchema, fleetsOf } from '../core/fleet.ts';
import { parseDocument } from '../core/validation.ts';
import { argumentsOrExit } from '../local/arguments-or-exit.ts';
import { PROJECT_ROOT } from '../local/project-root.ts';
import { RunDirectory } from '../local/run-directory.ts';
import { asOperator } from './asking-aws.ts';
import { awsClients } from './doctor/aws-clients.ts';
import { HELP, type MachineArguments, readArguments } from './machine/arguments.ts';
import { deployedStage } from './machine/deployed-stage.ts';
import { environmentFile, ownFleet, ownMachineEnvironment } from './machine/environment.ts';
import { instructions } from './machine/instructions.ts';
import { localRun } from './machine/local-run.ts';

const DEFAULT_WORK_DIR = '/var/lib/shoal';

async function declaredFleets(): Promise<readonly Fleet[]> {
  const text = await readFile(join(PROJECT_ROOT, 'fleets.yml'), 'utf8');
  return fleetsOf(parseDocument(fleetsFileSchema, parse(text), 'fleets.yml'));
}

async function answer(told: MachineArguments): Promise<string> {
  const { fleet, env, stage, region, local, data, idle } = told;
  const joining = local
    ? await localRun(data)
    : await asOperator(region, async (asked) => deployedStage(awsClients(asked).lambda, stage, await declaredFleets()));
  const workDir = told.workDir ?? (local ? join(new RunDirectory(data).root, 'own-machine') : DEFAULT_WORK_DIR);
  const environment = ownMachineEnvironment(ownFleet(fleet, joining.fleets), joining, { idle, workDir });
  return env ? environmentFile(environment).trimEnd() : instructions(told, joining.bootstrapUrl);
}

/** In one line: every fault of what was read, or why a service did not answer. */
function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const faults = error instanceof ValidationError ? error.faults.map(({ path, message }) => `${path} ${message}`) : [];
  const cause = error.cause instanceof Error ? [error.cause.message] : [];
  return [error.message, ...faults, ...cause].join('; ');
}

try {
  console.log(await answer(await argumentsOrExit(HELP, () => readArguments(process.argv.slice(2)))));
} catch (error) {
  console.error(told(error));
  process.exit(1);
}
