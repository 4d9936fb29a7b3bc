import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ValidationError } from '../core/errors.ts';
import { readFleets } from './fleets-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-fleets-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (text: string): void => writeFileSync(join(folder, 'fleets.yml'), text);

describe('fleets.yml', () => {
  it('gives fleets in the order of the file, their defaults filled in', () => {
    write('fleets:\n  zebra: { provider: aws }\n  ant: { provider: gcp, maxInstances: 3 }\n');

    const fleets = readFleets(folder);

    expect(fleets.map(({ name, provider, maxInstances }) => [name, provider, maxInstances])).toEqual([
      ['zebra', 'aws', 10],
      ['ant', 'gcp', 3],
    ]);
  });

  it('is refused with every fault when it is wrong', () => {
    write('fleets:\n  default: { provider: moon, maxInstnces: 3 }\n');

    expect(() => readFleets(folder)).toThrow(ValidationError);
  });
});
