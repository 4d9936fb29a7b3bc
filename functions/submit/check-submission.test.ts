import { describe, expect, it } from 'vitest';
import { cloudsSchema } from '../../core/clouds.ts';
import { TransientError, ValidationError } from '../../core/errors.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { GCP_CLOUD } from '../../test/factories/clouds.ts';
import { COMMIT } from '../../test/factories/ids.ts';
import { at, START } from '../../test/factories/manual-clock.ts';
import { submissionFactory } from '../../test/factories/submission.ts';
import { InMemoryCodeResolver } from '../../test/fakes/in-memory-code-resolver.ts';
import { checkSubmission, type SubmissionRules } from './check-submission.ts';

const REPOSITORY = 'https://github.com/acme/word-count';
const ON_DISK = 'file:///srv/word-count';

const rulesFactory = (overrides: Partial<SubmissionRules> = {}): SubmissionRules => ({
  fleets: fleetsOf(fleetsFileSchema.parse({ fleets: { default: { provider: 'aws' }, large: { provider: 'aws' } } })),
  repositoryHosts: ['github.com'],
  allowLocalRepositories: false,
  resolver: new InMemoryCodeResolver({
    [REPOSITORY]: { HEAD: COMMIT, main: COMMIT },
    [ON_DISK]: { HEAD: COMMIT },
  }),
  ...overrides,
});

const code = (overrides: object = {}) => ({
  repository: REPOSITORY,
  ref: 'main',
  run: ['node', 'count.js'],
  ...overrides,
});

const check = (document: unknown, rules: SubmissionRules) => checkSubmission(document, rules, new Date(START));

/** The paths of all faults, in the order in which they are told. */
async function faultsOf(document: unknown, rules = rulesFactory()): Promise<string[]> {
  const error = await check(document, rules).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ValidationError))
    throw new Error('the submission was not refused as invalid', { cause: error });
  expect(error.faults.every((fault) => fault.message.length > 0)).toBe(true);
  return error.faults.map((fault) => fault.path);
}

describe('several fleets', () => {
  it('may be named', async () => {
    const { submission } = await check(submissionFactory({ fleet: ['large', 'default'] }), rulesFactory());

    expect(submission.fleet).toEqual(['large', 'default']);
  });

  it.each([
    [
      ['default', 'nowhere', 7],
      ['fleet[2]', 'fleet[1]'],
    ],
    [['default', 'large', 'default'], ['fleet[2]']],
    [[], ['fleet']],
    [
      Array.from({ length: 11 }, (_, at) => `f${at}`),
      ['fleet', ...Array.from({ length: 11 }, (_, at) => `fleet[${at}]`)],
    ],
    [{ name: 'default' }, ['fleet']],
  ])('%j are refused at their places', async (fleet, places) => {
    expect(await faultsOf({ ...submissionFactory(), fleet })).toEqual(places);
  });

  it('must each have slots that hold a task', async () => {
    const fleets = fleetsOf(
      fleetsFileSchema.parse({
        fleets: {
          default: { provider: 'aws' },
          large: { provider: 'aws', slot: { vcpu: 4, memoryMiB: 8_192, diskGiB: 5 } },
        },
      }),
    );
    const document = submissionFactory({
      fleet: ['large', 'default'],
      resources: { vcpu: 2, memoryMiB: 1_024, diskGiB: 5 },
    });

    expect(await faultsOf(document, rulesFactory({ fleets }))).toEqual(['resources.vcpu']);
  });
});

describe('a good submission', () => {
  it('comes back with its defaults and the commit that its ref stands for', async () => {
    const { submission, commit } = await check(submissionFactory(), rulesFactory());

    expect(commit).toBe(COMMIT);
    expect(submission).toMatchObject({ fleet: 'default', priority: 'normal', maxDurationSeconds: 14 * 86_400 });
  });

  it('may name a commit, and needs no ref', async () => {
    const pinned = await check({ ...submissionFactory(), code: code({ ref: COMMIT }) }, rulesFactory());
    const unnamed = await check({ ...submissionFactory(), code: code({ ref: undefined }) }, rulesFactory());

    expect([pinned.commit, unnamed.commit]).toEqual([COMMIT, COMMIT]);
  });

  it.each([[null], [0], [false], [''], [[]], [{}]])('may have the input %j', async (input) => {
    const { submission } = await check({ ...submissionFactory(), tasks: [{ input }] }, rulesFactory());

    expect(submission.tasks).toEqual([{ input }]);
  });

  it('may have inputs with names that objects have by themselves, kept as they are', async () => {
    const text = '{"__proto__":{"polluted":true},"constructor":1,"toString":null}';
    const document = { ...submissionFactory(), tasks: [{ input: JSON.parse(text) }] };

    const { submission } = await check(document, rulesFactory());

    expect(JSON.stringify(submission.tasks[0]?.input)).toBe(text);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('a bad submission', () => {
  it.each<[string, unknown, string[]]>([
    ['is no object', 'text', ['$']],
    ['is null', null, ['$']],
    ['is a list', [], ['$']],
    ['is empty', {}, ['code', 'tasks']],
    ['has a field that nobody knows', { ...submissionFactory(), colour: 'red' }, ['colour']],
    ['has no tasks', { ...submissionFactory(), tasks: [] }, ['tasks']],
    ['has a task without input', { ...submissionFactory(), tasks: [{ key: 'a' }] }, ['tasks[0].input']],
    [
      'has a task key twice',
      submissionFactory({ tasks: [{ key: 'a', input: 1 }, { input: 2 }, { key: 'a', input: 3 }] }),
      ['tasks[2].key'],
    ],
    ['has a task that is no object', { ...submissionFactory(), tasks: [null, 7] }, ['tasks[0]', 'tasks[1]']],
    ['has a timeout above 11 hours', submissionFactory({ timeoutSeconds: 39_601 }), ['timeoutSeconds']],
    [
      'has a repository that is no address',
      { ...submissionFactory(), code: code({ repository: 'acme' }) },
      ['code.repository'],
    ],
    ['has a ref like an option', { ...submissionFactory(), code: code({ ref: '--upload-pack=x' }) }, ['code.ref']],
    ['has a ref that is unknown', { ...submissionFactory(), code: code({ ref: 'nope' }) }, ['code.ref']],
    [
      'has a repository that is unknown',
      { ...submissionFactory(), code: code({ repository: 'https://github.com/acme/nothing' }) },
      ['code.repository'],
    ],
    [
      'names a credential that is not there',
      { ...submissionFactory(), code: code({ credential: 'github/nobody' }) },
      ['code.credential'],
    ],
    [
      'has a credential instead of naming one',
      { ...submissionFactory(), code: code({ credential: 'not a name' }) },
      ['code.credential'],
    ],
    ['has a fleet that is unknown', submissionFactory({ fleet: 'moon' }), ['fleet']],
    ['has a fleet that is no name', { ...submissionFactory(), fleet: 7 }, ['fleet']],
    ['wants what is not there yet', { ...submissionFactory(), startAt: at(60) }, ['startAt']],
    ['has a budget of nothing', submissionFactory({ budgetUsd: 0 }), ['budgetUsd']],
    ['has a deadline that is no moment', submissionFactory({ deadline: 'tomorrow' }), ['deadline']],
    ['has a deadline that is past', submissionFactory({ deadline: at(-1) }), ['deadline']],
  ])('%s', async (_what, document, paths) => {
    expect(await faultsOf(document)).toEqual(paths);
  });

  it('has all its faults told at once, those of the outer world included', async () => {
    const document = {
      ...submissionFactory(),
      colour: 'red',
      fleet: 'moon',
      code: code({ ref: 'nope', env: { '1x': 'y' } }),
      tasks: [{ key: 'a', input: 1 }, { key: 'a' }],
      timeoutSeconds: 0,
    };

    const paths = await faultsOf(document);

    expect(paths.toSorted()).toEqual(
      ['code.env.1x', 'code.ref', 'colour', 'fleet', 'tasks[1].input', 'tasks[1].key', 'timeoutSeconds'].toSorted(),
    );
  });

  it('says how many faults it has, one or several', async () => {
    const message = (document: unknown) => check(document, rulesFactory());

    await expect(message(submissionFactory({ fleet: 'moon' }))).rejects.toThrow('the job has 1 fault');
    await expect(message(submissionFactory({ fleet: 'moon', tasks: [] }))).rejects.toThrow('the job has 2 faults');
  });

  it('has fields, environment names and task fields refused that objects have by themselves', async () => {
    const document: unknown = JSON.parse(`{
      "__proto__": {"fleet": "moon"}, "constructor": 1,
      "code": {"repository": "${REPOSITORY}", "run": ["x"], "env": {"__proto__": "x", "constructor": "y"}},
      "tasks": [{"__proto__": 1, "input": 1}, {"constructor": 1, "input": 1}]
    }`);

    expect((await faultsOf(document)).toSorted()).toEqual(
      [
        '__proto__',
        'code.env.__proto__',
        'code.env.constructor',
        'constructor',
        'tasks[0].__proto__',
        'tasks[1].constructor',
      ].toSorted(),
    );
  });

  it.each(['__proto__', 'constructor', 'toString'])('names the ref %s, which no repository has', async (ref) => {
    expect(await faultsOf({ ...submissionFactory(), code: code({ ref }) })).toEqual(['code.ref']);
  });
});

describe('a repository', () => {
  const submit = (repository: string, rules?: Partial<SubmissionRules>) =>
    faultsOf({ ...submissionFactory(), code: code({ repository, ref: 'HEAD' }) }, rulesFactory(rules));

  it.each([
    'https://example.com/acme/word-count',
    'https://github.com.example.com/acme/word-count',
    'https://github.com:8443/acme/word-count',
    'http://169.254.169.254/latest/meta-data',
  ])('at %s is not asked for: that host is not allowed', async (repository) => {
    let asked = 0;
    const resolver: SubmissionRules['resolver'] = {
      async resolve() {
        asked += 1;
        return { kind: 'resolved', commit: COMMIT };
      },
    };

    expect(await submit(repository, { resolver })).toEqual(['code.repository']);
    expect(asked).toBe(0);
  });

  it.each(['https://github.com:99999/acme/word-count', 'https://256.256.256.256/acme'])(
    'whose address looks like one and is none is a fault: %s',
    async (repository) => {
      expect(await submit(repository)).toEqual(['code.repository']);
    },
  );

  it('on disk is refused, except in the local run', async () => {
    const document = { ...submissionFactory(), code: code({ repository: ON_DISK, ref: 'HEAD' }) };

    expect(await submit(ON_DISK)).toEqual(['code.repository']);
    const allowed = await check(document, rulesFactory({ allowLocalRepositories: true }));
    expect(allowed.commit).toBe(COMMIT);
  });

  it('over plain HTTP is refused, except in the local run, whose servers take any port', async () => {
    const repository = 'http://127.0.0.1:4711/acme/word-count';
    const local = rulesFactory({
      repositoryHosts: ['127.0.0.1'],
      allowLocalRepositories: true,
      resolver: new InMemoryCodeResolver({ [repository]: { HEAD: COMMIT } }),
    });

    expect(await submit('http://github.com/acme/word-count')).toEqual(['code.repository']);
    const document = { ...submissionFactory(), code: code({ repository, ref: 'HEAD' }) };
    expect((await check(document, local)).commit).toBe(COMMIT);
  });

  it('whose host cannot be reached is no fault of the submission', async () => {
    const resolver = new InMemoryCodeResolver({});
    resolver.unreachable = true;

    await expect(check(submissionFactory(), rulesFactory({ resolver }))).rejects.toThrow(TransientError);
  });
});

describe('a private repository', () => {
  const fleets = fleetsOf(
    fleetsFileSchema.parse({ fleets: { default: { provider: 'aws' }, far: { provider: 'gcp' } } }),
  );
  const clouds = cloudsSchema.parse({ gcp: GCP_CLOUD });
  const resolver = new InMemoryCodeResolver({ [REPOSITORY]: { main: COMMIT } }, ['github/acme']);
  const privately = (fleet: string | readonly string[]) =>
    submissionFactory({ code: code({ credential: 'github/acme' }), fleet });

  it('is refused where machines have no identity that could read its credential', async () => {
    const rules = rulesFactory({ fleets, clouds, resolver });

    expect(await faultsOf(privately(['default', 'far']), rules)).toEqual(['code.credential']);
    await expect(check(privately('default'), rules)).resolves.toMatchObject({ commit: COMMIT });
  });

  it('is taken for a fleet whose cloud is not declared: its machines use what AWS has', async () => {
    await expect(check(privately('far'), rulesFactory({ fleets, resolver }))).resolves.toMatchObject({
      commit: COMMIT,
    });
  });
});
