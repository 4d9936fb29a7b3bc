import { describe, expect, it } from 'vitest';
import { ValidationError } from './errors.ts';
import { fleetsFileSchema, fleetsOf } from './fleet.ts';
import { parseDocument } from './validation.ts';

const parse = (document: unknown) => parseDocument(fleetsFileSchema, document, 'fleets.yml');

function faultPaths(document: unknown): string[] {
  try {
    parse(document);
    return [];
  } catch (error) {
    if (error instanceof ValidationError) return error.faults.map((fault) => fault.path).sort();
    throw error;
  }
}

describe('fleets.yml', () => {
  it('needs of a fleet only its provider', () => {
    const [fleet] = fleetsOf(parse({ fleets: { default: { provider: 'aws' } } }));

    expect(fleet).toEqual({
      name: 'default',
      provider: 'aws',
      slot: { vcpu: 1, memoryMiB: 1024, diskGiB: 5 },
      architectures: ['arm64', 'x86_64'],
      market: 'spot',
      minInstances: 0,
      maxInstances: 10,
      maxHourlyPriceUsd: 0.2,
      allowedTypes: [],
      gpu: null,
      drainTargetSeconds: 900,
      idleSeconds: 30,
      maxLifetimeHours: 24,
    });
  });

  it('keeps its fleets in order', () => {
    const file = parse({ fleets: { zeta: { provider: 'aws' }, alpha: { provider: 'gcp' } } });

    expect(fleetsOf(file).map((fleet) => fleet.name)).toEqual(['zeta', 'alpha']);
  });

  it.each<[string, unknown, string[]]>([
    ['an empty file', null, ['$']],
    ['no fleet', { fleets: {} }, ['fleets']],
    ['an unknown field', { fleets: { a: { provider: 'aws', spot: true } } }, ['fleets.a.spot']],
    ['an unknown provider', { fleets: { a: { provider: 'ibm' } } }, ['fleets.a.provider']],
    ['a name that no queue can have', { fleets: { 'A b': { provider: 'aws' } } }, ['fleets.A b']],
    ['an option-like name', { fleets: { '-a': { provider: 'aws' } } }, ['fleets.-a']],
    [
      'a minimum above the maximum',
      { fleets: { a: { provider: 'aws', minInstances: 11 } } },
      ['fleets.a.minInstances'],
    ],
    ['no machine at all', { fleets: { a: { provider: 'aws', maxInstances: 0 } } }, ['fleets.a.maxInstances']],
    ['no architecture', { fleets: { a: { provider: 'aws', architectures: [] } } }, ['fleets.a.architectures']],
    ['a typo in the slot', { fleets: { a: { provider: 'aws', slot: { cpu: 1 } } } }, ['fleets.a.slot.cpu']],
    [
      'faults in two fleets',
      { fleets: { a: { provider: 'ibm' }, b: { provider: 'aws', idleSeconds: 0 } } },
      ['fleets.a.provider', 'fleets.b.idleSeconds'],
    ],
  ])('is refused for %s, at its place', (_what, document, paths) => {
    expect(faultPaths(document)).toEqual(paths);
  });
});
