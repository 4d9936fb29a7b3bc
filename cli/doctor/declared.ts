/** What `fleets.yml` declares, or what is wrong with it: every fault, and its place. */
import { readFile } from 'node:fs/promises';
import { parse, YAMLParseError } from 'yaml';
import type { Clouds } from '../../core/clouds.ts';
import { ValidationError } from '../../core/errors.ts';
import { type Fleet, fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { parseDocument } from '../../core/validation.ts';
import { type Finding, failed, told } from './finding.ts';

export interface Declared {
  readonly text: string;
  readonly fleets: readonly Fleet[];
  readonly clouds: Clouds;
}

export async function readDeclared(path: string): Promise<Declared | readonly Finding[]> {
  const what = 'fleets.yml';
  const mend = `correct it in ${path}, then run this again`;
  try {
    const text = await readFile(path, 'utf8');
    const file = parseDocument(fleetsFileSchema, parse(text), what);
    return { text, fleets: fleetsOf(file), clouds: file.clouds };
  } catch (error) {
    if (error instanceof ValidationError) {
      return error.faults.map((fault) => failed(what, `${fault.path}: ${fault.message}`, mend));
    }
    // What follows is the line in question, drawn.
    if (error instanceof YAMLParseError) return [failed(what, error.message.split(':\n')[0] ?? '', mend)];
    const isThere = Object(error).code !== 'ENOENT';
    const message = isThere ? `${path} cannot be read: ${told(error)}` : `${path} is not there`;
    return [failed(what, message, '--fleets names the file: without it, that of the checkout is read')];
  }
}

/** Fleets of clouds that are not declared: the scaler launches nothing there. */
export function undeclaredClouds({ fleets, clouds }: Declared): Finding[] {
  return fleets.flatMap(({ name, provider }) =>
    (provider === 'gcp' || provider === 'azure') && !clouds[provider]
      ? [
          failed(
            `fleet ${name}`,
            `nothing can be launched at ${provider}: fleets.yml does not declare that cloud`,
            `declare clouds.${provider} in fleets.yml, as docs/guide/clouds.md shows, and deploy`,
          ),
        ]
      : [],
  );
}
