/** The fleets of this deployment: `fleets.yml` travels in every function's package. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type Fleet, fleetsFileSchema, fleetsOf } from '../core/fleet.ts';
import { parseDocument } from '../core/validation.ts';

/** @param taskRoot the folder of the package, `LAMBDA_TASK_ROOT` */
export function readFleets(taskRoot: string): Fleet[] {
  const text = readFileSync(join(taskRoot, 'fleets.yml'), 'utf8');
  return fleetsOf(parseDocument(fleetsFileSchema, parse(text), 'fleets.yml'));
}
