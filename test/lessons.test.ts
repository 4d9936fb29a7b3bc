/** The failure catalogue keeps its word: every row that is marked as tested is cited by a test. */
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const TESTS =
  '{core,adapters,functions,worker-bootstrap,local,plugins,resources,statemachine,gcp,azure,test}/**/*.test.ts';

async function citedNumbers(): Promise<Set<number>> {
  const cited = new Set<number>();
  for await (const path of glob([TESTS, 'test/contracts/*.ts'], { cwd: ROOT })) {
    const text = await readFile(join(ROOT, path), 'utf8');
    for (const [, numbers = ''] of text.matchAll(/lessons? (\d+(?:(?:, | and )\d+)*)/g)) {
      for (const [number] of numbers.matchAll(/\d+/g)) cited.add(Number(number));
    }
  }
  return cited;
}

async function rows(): Promise<{ number: number; tested: boolean }[]> {
  const text = await readFile(join(ROOT, 'docs/reference/lessons.md'), 'utf8');
  return [...text.matchAll(/^\| (\d+) \|.*\| (\S+) \|$/gm)].map(([, number, mark]) => ({
    number: Number(number),
    tested: mark === '**tested**',
  }));
}

describe('the failure catalogue', () => {
  it('says "tested" only of rows that a test cites', async () => {
    const cited = await citedNumbers();
    const catalogue = await rows();

    expect(catalogue).toHaveLength(38);
    expect(catalogue.filter((row) => row.tested && !cited.has(row.number))).toEqual([]);
  });
});
