/**
 * Bad input is refused at the door: every field of a submission, as the schema itself lists them, with everything that
 * may be wrong with it. A field that is added to the schema is tried here without anybody's doing.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { jobSubmissionSchema } from '../../core/job-submission.ts';
import { COMMIT, ulidOf } from '../../test/factories/ids.ts';
import { ManualClock } from '../../test/factories/manual-clock.ts';
import { submissionFactory } from '../../test/factories/submission.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryCodeResolver } from '../../test/fakes/in-memory-code-resolver.ts';
import { InMemoryJobMachine } from '../../test/fakes/in-memory-job-machine.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryOfferSource } from '../../test/fakes/in-memory-offer-source.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { InMemoryWaker } from '../../test/fakes/in-memory-waker.ts';
import { toProblem } from '../http/problem.ts';
import { logger } from '../telemetry.ts';
import { submitRoute } from './submit-route.ts';

type Path = readonly (string | number)[];
/** A schema as this test looks at it; zod's own types do not tell what `def` holds. */
interface Schema {
  readonly def: {
    readonly type: string;
    readonly innerType?: Schema;
    readonly in?: Schema;
    readonly element?: Schema;
    readonly entries?: Readonly<Record<string, string>>;
  };
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly minLength?: number | null;
  readonly maxLength?: number | null;
  readonly minValue?: number | null;
  readonly maxValue?: number | null;
  readonly isInt?: boolean;
}

interface Field {
  readonly path: Path;
  readonly kind: string;
  readonly required: boolean;
  readonly nullable: boolean;
  readonly schema: Schema;
}

/** Every field below a schema, itself first. */
function fieldsOf(outer: Schema, path: Path = []): Field[] {
  let schema = outer;
  let required = typeof path.at(-1) === 'string';
  let nullable = false;
  for (let inner: Schema | undefined = schema; inner; inner = schema.def.innerType ?? schema.def.in) {
    schema = inner;
    if (schema.def.type === 'default' || schema.def.type === 'optional') required = false;
    if (schema.def.type === 'nullable' || schema.def.type === 'null') nullable = true;
  }
  const { element } = schema.def;
  const below = Object.entries(schema.shape ?? {}).flatMap(([name, each]) => fieldsOf(each, [...path, name]));
  // `after` and `notify` take no element yet.
  const elements = element && !['never', 'unknown'].includes(element.def.type) ? fieldsOf(element, [...path, 0]) : [];
  // What may be anything by its shape is held to its real shape by a refinement: only the environment is.
  const kind = schema.def.type === 'unknown' && path.at(-1) === 'env' ? 'environment' : schema.def.type;
  return [{ path, kind, required, nullable, schema }, ...below, ...elements];
}

// Its shape is what zod makes of every schema; only this test looks below the types.
const FIELDS = fieldsOf(jobSubmissionSchema as unknown as Schema).filter(({ path }) => path.length > 0);
const nameOf = (path: Path): string =>
  path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${part}` : part),
    '',
  );

/** A submission that says something in every field. */
const full = () => ({
  ...submissionFactory(),
  fleet: 'default',
  resources: { vcpu: 1, memoryMiB: 512, diskGiB: 1 },
  retry: { maxAttempts: 2, backoffSeconds: 1, retryOnExitCodes: [75], retryOnTimeout: false },
});

const ABSENT = Symbol('absent');

/** A copy in which one field has another value. `JSON.parse` gives even `__proto__` as a field of its own. */
function withValue(document: unknown, path: Path, value: unknown): unknown {
  const [part, ...rest] = path;
  if (part === undefined) return value;
  const entries = Object.entries((document ?? {}) as object).filter(([name]) => name !== String(part));
  const before = (document as Record<string | number, unknown> | undefined)?.[part];
  const after = withValue(before, rest, value);
  if (typeof part === 'number') return after === ABSENT ? [] : [after];
  const members = after === ABSENT ? entries : [...entries, [part, after] as const];
  return members.reduce<object>(
    (made, [name, each]) => Object.defineProperty(made, name, { value: each, enumerable: true, configurable: true }),
    {},
  );
}

const HOSTILE = [
  '$(rm -rf /)',
  '../../etc',
  '`id`',
  '--option',
  '-',
  '\u0000',
  'a\u0000b',
  'a\nb',
  '\u202Eevil',
  '\uD800',
  '😀',
  ' ',
  "'; DROP TABLE jobs; --",
  'x'.repeat(100_000),
] as const;
const HOSTILE_ADDRESSES = [
  'https://user:secret@github.com/acme/word-count',
  'https://github.com@169.254.169.254/acme/word-count',
  'file:///etc/passwd',
  'http://169.254.169.254/latest/meta-data',
] as const;
/** Numbers that JSON can say and no double can hold; `JSON.stringify` would make `null` of them. */
const TOO_LARGE = ['literal:1e400', 'literal:-1e400'] as const;
const jsonOf = (document: unknown): string => JSON.stringify(document).replace(/"literal:(.*?)"/g, '$1');
const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'] as const;
const DEEP: unknown = JSON.parse('['.repeat(80) + ']'.repeat(80));

/** Fields that say something to people or to the command, in whatever characters: length and NUL are all that is checked. */
const FREE_TEXT = new Set(['name', 'code.setup', 'code.run[0]']);
/** Takes any JSON. */
const ANYTHING = new Set(['tasks[0].input']);

const OF_EACH_TYPE: Readonly<Record<string, readonly unknown[]>> = {
  string: ['text', ''],
  number: [0, 1.5],
  boolean: [true, false],
  array: [[], [1], DEEP],
  object: [{}, { a: 1 }],
};
const JSON_TYPE: Readonly<Record<string, string>> = { enum: 'string', environment: 'object' };

/** Values that a field must refuse. */
function refusedBy({ path, kind, nullable, required, schema }: Field): unknown[] {
  if (ANYTHING.has(nameOf(path))) return [ABSENT];
  const type = JSON_TYPE[kind] ?? kind;
  const wrongTypes = Object.entries(OF_EACH_TYPE).flatMap(([name, values]) => (name === type ? [] : values));
  return [
    ...(required ? [ABSENT] : []),
    ...(nullable ? [] : [null]),
    ...wrongTypes,
    ...refusedOfType(kind, schema, nameOf(path)),
  ];
}

function refusedOfType(kind: string, schema: Schema, name: string): unknown[] {
  switch (kind) {
    case 'string':
      if (!FREE_TEXT.has(name))
        // A key may look like an address: it is a name of the user's own, and nobody asks there.
        return [...HOSTILE, ...(name === 'tasks[0].key' ? [] : HOSTILE_ADDRESSES), ''];
      return ['', 'x'.repeat((schema.maxLength ?? 0) + 1), ...(name === 'name' ? [] : ['\u0000', 'a\u0000b'])];
    case 'enum':
      return [...HOSTILE, ...PROTOTYPE_NAMES, '', 'NORMAL'];
    case 'number': {
      const { minValue: min, maxValue: max } = schema;
      if (typeof min !== 'number' || typeof max !== 'number') throw new Error(`${name} has no bounds`);
      // JSON has neither NaN nor Infinity; a number that is too large for a double becomes one.
      const texts = ['NaN', 'Infinity', '5', '0x10'];
      return [min - 1, -1, max + 1, 1e308, ...TOO_LARGE, ...texts, ...(schema.isInt ? [1.5] : [])];
    }
    case 'environment':
      return [
        ...PROTOTYPE_NAMES.slice(0, 3).map((each) => JSON.parse(`{"${each}": "x"}`)),
        ...HOSTILE.map((each) => ({ [each]: 'x' })),
        { SHOAL_TASK_ID: 'x' },
        { '': 'x' },
        { A: 1 },
        { A: null },
        { A: 'a\u0000b' },
        { A: 'x'.repeat(20_000) },
      ];
    case 'object':
      return [...PROTOTYPE_NAMES, 'unknown'].map((each) => JSON.parse(`{"${each}": 1}`));
    case 'array':
      return [Array.from({ length: 100_001 }, () => null)];
    default:
      return [];
  }
}

/** What is told of a request: status and places; and that nothing is left behind, unless it was accepted. */
async function post(body: string, headers: Record<string, string> = {}) {
  const tables = new InMemoryTables();
  const blobs = new InMemoryBlobStore();
  const machine = new InMemoryJobMachine();
  const waker = new InMemoryWaker();
  const repository = 'https://github.com/acme/word-count';
  const offers = new InMemoryOfferSource([]);
  const route = submitRoute(
    {
      fleets: FLEETS,
      repositoryHosts: ['github.com'],
      allowLocalRepositories: false,
      resolver: new InMemoryCodeResolver({ [repository]: { HEAD: COMMIT, main: COMMIT } }),
    },
    {
      jobs: new InMemoryJobStore(tables),
      blobs,
      machine,
      waker,
      clock: new ManualClock(),
      ulid: () => ulidOf(1),
      offers,
      onNotEstimated: () => undefined,
    },
  );
  const request = { params: {}, query: {}, headers: { 'content-type': 'application/json', ...headers }, body };
  const caller = { keyId: 'key-1', name: 'test', createdAt: new Date(0).toISOString() };
  const left = () => [...tables.jobs.keys(), ...tables.idempotency.keys(), ...blobs.keys(), ...machine.started.keys()];
  try {
    const { status } = await route(request, caller as unknown as Parameters<typeof route>[1]); // it looks at the id only
    return { status, paths: [], left: [], bytes: 0 };
  } catch (error) {
    const { statusCode = 0, body: text = '' } = toProblem(error);
    const { errors = [] } = JSON.parse(text) as { errors?: { path: string; message: string }[] }; // written by toProblem
    if (errors.some(({ message }) => message === '')) throw new Error('a fault without a message');
    return {
      status: statusCode,
      paths: errors.map((each) => each.path),
      left: [...left(), ...Array(waker.wakes)],
      bytes: text.length,
    };
  }
}
const FLEETS = fleetsOf(fleetsFileSchema.parse({ fleets: { default: { provider: 'aws' } } }));

/** At the field, or in it; code that is too large is told of as a whole, too. */
const isAt = (path: string, field: string): boolean =>
  path === field ||
  path.startsWith(`${field}.`) ||
  path.startsWith(`${field}[`) ||
  (path === 'code' && field.startsWith('code.'));
const shown = (value: unknown): string =>
  value === ABSENT ? 'absent' : (JSON.stringify(value) ?? 'undefined').slice(0, 60);

// One line for every submission that is accepted would be hundreds.
beforeAll(() => void vi.spyOn(logger, 'info').mockImplementation(() => undefined));
afterAll(() => void vi.restoreAllMocks());

describe('the whole submission', () => {
  it('is accepted as it stands, and so is every field left out that need not be there', async () => {
    expect(await post(JSON.stringify(full()))).toMatchObject({ status: 202 });
    for (const { path, required } of FIELDS.filter((each) => !each.path.includes(0))) {
      if (required) continue;
      const answer = await post(JSON.stringify(withValue(full(), path, ABSENT)));
      expect({ path, ...answer }).toMatchObject({ path, status: 202 });
    }
  });

  it('has all the fields that the schema has', () => {
    const names = FIELDS.map(({ path }) => nameOf(path));

    expect(names).toEqual(expect.arrayContaining(Object.keys(jobSubmissionSchema.shape)));
    expect(names).toEqual(expect.arrayContaining(['code.run[0]', 'tasks[0].key', 'retry.retryOnExitCodes[0]']));
    // A kind that this test does not know would be tried with wrong types only.
    const kinds = new Set(FIELDS.map(({ kind }) => kind));
    const known = ['string', 'number', 'boolean', 'array', 'object', 'enum', 'null', 'environment', 'unknown'];
    expect([...kinds].filter((kind) => !known.includes(kind))).toEqual([]);
  });
});

describe.each(FIELDS.map((field) => [nameOf(field.path), field] as const))('%s', (name, field) => {
  it('is refused with its own place, whatever is wrong with it, and nothing is written', async () => {
    const misjudged: string[] = [];
    for (const value of refusedBy(field)) {
      const { status, paths, left } = await post(jsonOf(withValue(full(), field.path, value)));
      const told = paths.some((path) => path !== 'code' || name === 'code') && paths.every((path) => isAt(path, name));
      if (status !== 422 || !told || left.length > 0) misjudged.push(`${shown(value)}: ${status} ${paths.join(', ')}`);
    }
    expect(misjudged).toEqual([]);
  });

  it('takes hostile text as text or refuses it, and never fails on it', async () => {
    for (const text of [...HOSTILE, ...PROTOTYPE_NAMES]) {
      const { status, paths } = await post(JSON.stringify(withValue(full(), field.path, text)));
      expect([202, 422]).toContain(status);
      expect(paths.filter((path) => !isAt(path, name))).toEqual([]);
    }
  });
});

describe('a submission with very many faults', () => {
  it.each([
    ['tasks', `{"tasks":[${'{"kye":1},'.repeat(99_999)}{}]}`],
    ['fields', `{${Array.from({ length: 200_000 }, (_, n) => `"f${n}":1`).join()}}`],
    ['long names', `{${Array.from({ length: 20 }, (_, n) => `"${n}${'\\u0001'.repeat(15_000)}":1`).join()}}`],
  ])('is answered with as many of them as an answer may hold: %s', async (_what, body) => {
    const { status, paths, left, bytes } = await post(body);

    expect({ status, left }).toEqual({ status: 422, left: [] });
    expect(paths.length).toBeGreaterThan(0);
    // Lambda answers with 6 MB at most: what is larger is the gateway's own 5xx.
    expect(bytes).toBeLessThan(1_000_000);
  });
});

describe('a document that is nested deeply', () => {
  it.each([101, 100_000])('is refused at %i levels, wherever it is', async (depth) => {
    const deep = '['.repeat(depth) + ']'.repeat(depth);

    const answers = await Promise.all(
      [deep, `{"tasks":[{"input":${deep}}]}`, `{"name":${deep}}`].map((body) => post(body)),
    );

    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400]);
  });
});

describe('any JSON document', () => {
  const anything = fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.constantFrom<unknown>(...HOSTILE.slice(0, -1), ...PROTOTYPE_NAMES, ABSENT, 1e308, -1, 0.1),
  );
  const mutated = fc
    .array(fc.tuple(fc.constantFrom(...FIELDS.map(({ path }) => path)), anything), { minLength: 0, maxLength: 4 })
    .map((changes) => changes.reduce<unknown>((document, [path, value]) => withValue(document, path, value), full()));
  const key = fc.option(fc.string({ maxLength: 20 }), { nil: undefined });

  it('is accepted, or refused with a reason and nothing left behind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutated, fc.jsonValue()), key, async (document, idempotencyKey) => {
        const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
        const { status, paths, left } = await post(JSON.stringify(document === ABSENT ? null : document), headers);
        expect([202, 400, 422]).toContain(status);
        if (status === 422) expect(paths.length).toBeGreaterThan(0);
        expect(left).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('is refused when it is not JSON at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        const { status, left } = await post(text);
        expect([400, 422]).toContain(status);
        expect(left).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});
