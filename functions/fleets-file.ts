/** The fleets of this deployment: `fleets.yml` travels in every function's package. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Clouds } from '../core/clouds.ts';
import { type Fleet, fleetsFileSchema, fleetsOf } from '../core/fleet.ts';
import { parseDocument } from '../core/validation.ts';

export interface Deployment {
  readonly fleets: readonly Fleet[];
  readonly clouds: Clouds;
}

/** @param taskRoot the folder of the package, `LAMBDA_TASK_ROOT` */
export function readDeployment(taskRoot: string): Deployment {
  const text = readFileSync(join(taskRoot, 'fleets.yml'), 'utf8');
  const file = parseDocument(fleetsFileSchema, parse(text), 'fleets.yml');
  return { fleets: fleetsOf(file), clouds: file.clouds };
}

/** The fleets alone. */
export const readFleets = (taskRoot: string): readonly Fleet[] => readDeployment(taskRoot).fleets;
