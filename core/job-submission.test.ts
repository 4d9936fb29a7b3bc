import { describe, expect, it } from 'vitest';
import { PLAIN_CODE } from '../test/factories/plain-code.ts';
import { submissionFactory } from '../test/factories/submission.ts';
import { ValidationError } from './errors.ts';
import { jobSubmissionSchema } from './job-submission.ts';
import { parseDocument } from './validation.ts';

const parse = (document: unknown) => parseDocument(jobSubmissionSchema, document, 'the submission');

/** The paths of all faults, in order. */
function faultPaths(document: unknown): string[] {
  try {
    parse(document);
    return [];
  } catch (error) {
    if (error instanceof ValidationError) return error.faults.map((fault) => fault.path).sort();
    throw error;
  }
}

const { code, tasks } = submissionFactory();
const withCode = (overrides: Record<string, unknown>) => ({ code: { ...code, ...overrides }, tasks });
/** Where `__proto__` is a key of its own, as in a parsed body. */
const parsed = (json: string): unknown => JSON.parse(json);

describe('a submission', () => {
  it('needs only code and tasks: every default is filled in', () => {
    const submission = parse({
      code: { repository: 'https://github.com/acme/word-count', run: ['node', 'count.js'] },
      tasks: [{ input: 1 }],
    });

    expect(submission).toEqual({
      name: 'unnamed',
      fleet: 'default',
      code: {
        repository: 'https://github.com/acme/word-count',
        ref: 'HEAD',
        setup: null,
        run: ['node', 'count.js'],
        ...PLAIN_CODE,
      },
      tasks: [{ input: 1 }],
      resources: null,
      expectedSeconds: null,
      timeoutSeconds: 300,
      maxDurationSeconds: 14 * 86_400,
      deadline: null,
      allowedFailures: 0,
      retry: { maxAttempts: 3, backoffSeconds: 10, retryOnExitCodes: [75], retryOnTimeout: false },
      priority: 'normal',
      startAt: null,
      after: [],
      maxInstances: null,
      budgetUsd: null,
      notify: [],
    });
  });

  it('takes any JSON as an input, verbatim', () => {
    const input = parsed('{"__proto__":{"a":1},"constructor":"x","emoji":"🐟","lone":"\\ud800","null":null}');

    const submission = parse(submissionFactory({ tasks: [{ input }, { input: null }, { input: false }] }));

    expect(JSON.stringify(submission.tasks.map((task) => task.input))).toBe(JSON.stringify([input, null, false]));
  });

  it.each([
    ['main'],
    ['HEAD'],
    ['v1.2.3'],
    ['feature/a+b'],
    ['release-2026.03'],
    ['user@host'],
    ['0123456789abcdef0123456789abcdef01234567'],
  ])('takes %s as a ref', (ref) => {
    expect(faultPaths(withCode({ ref }))).toEqual([]);
  });

  it.each([
    ['--upload-pack=touch /tmp/x'],
    ['-main'],
    [''],
    ['/main'],
    ['.hidden'],
    ['a..b'],
    ['a//b'],
    ['a@{1}'],
    ['main.lock'],
    ['main/'],
    ['main.'],
    ['a b'],
    ['a:b'],
    ['a\nb'],
    ['main\n'],
    ['$(id)'],
    ['x'.repeat(256)],
  ])('refuses the ref %j', (ref) => {
    expect(faultPaths(withCode({ ref }))).toEqual(['code.ref']);
  });

  it.each([
    ['https://github.com/acme/word-count'],
    ['https://github.com/acme/word-count.git'],
    ['http://git.example.com:8080/~me/a_b'],
    ['file:///srv/git/word-count'],
  ])('takes %s as a repository', (repository) => {
    expect(faultPaths(withCode({ repository }))).toEqual([]);
  });

  it.each([
    ['git@github.com:acme/word-count'],
    ['ext::sh -c whoami'],
    ['ssh://github.com/acme/a'],
    ['--upload-pack=x'],
    ['https://user:secret@github.com/acme/a'],
    ['https://github.com'],
    ['https://github.com/../../etc'],
    ['https://github.com/acme/-a'],
    ['https://github.com/acme/a?x=1'],
    ['https://github.com/acme/a#x'],
    ['https://github.com/acme/a\n'],
    ['file:///srv/../etc'],
    ['file://host/srv'],
    [`https://github.com/${'a'.repeat(500)}`],
  ])('refuses the repository %j', (repository) => {
    expect(faultPaths(withCode({ repository }))).toEqual(['code.repository']);
  });

  it.each<[string, unknown, string[]]>([
    ['no document', null, ['$']],
    ['a list', [], ['$']],
    ['nothing', {}, ['code', 'tasks']],
    ['an unknown field', { ...submissionFactory(), prioritty: 'high' }, ['prioritty']],
    ['an unknown field of a task', submissionFactory({ tasks: [{ input: 1, id: 'a' } as never] }), ['tasks[0].id']],
    ['no tasks', submissionFactory({ tasks: [] }), ['tasks']],
    ['a task without input', submissionFactory({ tasks: [{ input: 1 }, { key: 'b' } as never] }), ['tasks[1].input']],
    ['a task that is none', submissionFactory({ tasks: ['a' as never] }), ['tasks[0]']],
    ['an option-like key', submissionFactory({ tasks: [{ key: '-rf', input: 1 }] }), ['tasks[0].key']],
    ['a key with a line feed', submissionFactory({ tasks: [{ key: 'a\n', input: 1 }] }), ['tasks[0].key']],
    ['an empty name', submissionFactory({ name: '' }), ['name']],
    ['an option-like fleet', submissionFactory({ fleet: '--all' }), ['fleet']],
    ['a fleet that is a path', submissionFactory({ fleet: '../x' }), ['fleet']],
    ['more than 11 hours', submissionFactory({ timeoutSeconds: 39_601 }), ['timeoutSeconds']],
    ['no time at all', submissionFactory({ timeoutSeconds: 0 }), ['timeoutSeconds']],
    ['endless time', submissionFactory({ timeoutSeconds: Number.POSITIVE_INFINITY }), ['timeoutSeconds']],
    ['a duration of no time', submissionFactory({ maxDurationSeconds: 0 }), ['maxDurationSeconds']],
    ['an unknown priority', submissionFactory({ priority: 'urgent' as never }), ['priority']],
    ['no machine', submissionFactory({ maxInstances: 0 }), ['maxInstances']],
    ['negative allowed failures', submissionFactory({ allowedFailures: -1 }), ['allowedFailures']],
    ['no attempt', submissionFactory({ retry: { maxAttempts: 0 } }), ['retry.maxAttempts']],
    ['a backoff above 15 minutes', submissionFactory({ retry: { backoffSeconds: 901 } }), ['retry.backoffSeconds']],
    ['retry on success', submissionFactory({ retry: { retryOnExitCodes: [0] } }), ['retry.retryOnExitCodes[0]']],
    ['an unknown retry field', submissionFactory({ retry: { attempts: 3 } as never }), ['retry.attempts']],
    ['no command', withCode({ run: [] }), ['code.run']],
    ['a command that is a shell line', withCode({ run: 'node count.js' }), ['code.run']],
    ['an empty command', withCode({ run: [''] }), ['code.run[0]']],
    ['a NUL in an argument', withCode({ run: ['a', '\0'] }), ['code.run[1]']],
    ['a setup of two lines', withCode({ setup: 'npm ci\nrm -rf /' }), ['code.setup']],
    ['another protocol', withCode({ protocol: 'grpc' }), ['code.protocol']],
    ['environment that is a list', withCode({ env: ['A=b'] }), ['code.env']],
    ['environment that is nothing', withCode({ env: null }), ['code.env']],
    ['an environment name with a space', withCode({ env: { 'A B': '1' } }), ['code.env.A B']],
    ['an environment name of ours', withCode({ env: { SHOAL_TASK_ID: '1' } }), ['code.env.SHOAL_TASK_ID']],
    ['an environment value that is no text', withCode({ env: { A: 1 } }), ['code.env.A']],
    ['a NUL in the environment', withCode({ env: { A: '\0' } }), ['code.env.A']],
    ['__proto__ as an environment name', withCode({ env: parsed('{"__proto__":"x"}') }), ['code.env.__proto__']],
    ['constructor as an environment name', withCode({ env: { constructor: 'x' } }), ['code.env.constructor']],
    [
      'an environment above 16 KB',
      withCode({ env: { A: 'x'.repeat(8_000), B: 'x'.repeat(8_192), C: 'x'.repeat(300) } }),
      ['code.env'],
    ],
    ['code above 32 KB', withCode({ run: Array.from({ length: 5 }, () => 'x'.repeat(8_000)) }), ['code']],
    ['__proto__ as a field', parsed(`{"__proto__":1,${JSON.stringify(submissionFactory()).slice(1)}`), ['__proto__']],
    ['a budget of nothing', submissionFactory({ budgetUsd: 0 }), ['budgetUsd']],
    ['a deadline without a time of day', submissionFactory({ deadline: '2026-04-01' }), ['deadline']],
    ['a field that is not there yet: startAt', submissionFactory({ startAt: '2026-04-01' as never }), ['startAt']],
    ['a field that is not there yet: after', submissionFactory({ after: ['job_1'] as never }), ['after']],
    [
      'a field that is not there yet: notify',
      submissionFactory({ notify: [{ url: 'https://example.com' }] }),
      ['notify'],
    ],
    ['a credential that is no name', withCode({ credential: 'ghp_x y' }), ['code.credential']],
    ['a credential that leaves its folder', withCode({ credential: 'a/../b' }), ['code.credential']],
  ])('is refused for %s, at its place', (_what, document, paths) => {
    expect(faultPaths(document)).toEqual(paths);
  });

  it('is refused for a key that is used twice, naming the first use', () => {
    const document = submissionFactory({
      tasks: [
        { key: 'a', input: 1 },
        { key: 'b', input: 2 },
        { key: 'a', input: 3 },
      ],
    });

    expect(() => parse(document)).toThrow(
      expect.objectContaining({
        faults: [{ path: 'tasks[2].key', message: 'the key "a" is already that of tasks[0]' }],
      }),
    );
  });

  it('is refused for all its faults at once, whatever kind they are', () => {
    const document = {
      name: 7,
      code: { repository: 'x', run: ['', 3], env: { 'A B': '1', C: 2, SHOAL_X: 'y' }, unknown: true },
      tasks: [{ key: 'a', input: 1 }, { key: 'a', input: 2 }, { key: 5, input: 3 }, 'none', { extra: 1 }],
      retry: { maxAttempts: 'three' },
      priority: 'urgent',
    };

    expect(faultPaths(document)).toEqual([
      'code.env.A B',
      'code.env.C',
      'code.env.SHOAL_X',
      'code.repository',
      'code.run[0]',
      'code.run[1]',
      'code.unknown',
      'name',
      'priority',
      'retry.maxAttempts',
      'tasks[1].key',
      'tasks[2].key',
      'tasks[3]',
      'tasks[4].extra',
      'tasks[4].input',
    ]);
  });

  it('of 100,000 tasks is taken, one more is refused', () => {
    const many = Array.from({ length: 100_000 }, (_, index) => ({ key: `k${index}`, input: index }));

    expect(faultPaths(submissionFactory({ tasks: many }))).toEqual([]);
    expect(faultPaths(submissionFactory({ tasks: [...many, { input: 1 }] }))).toEqual(['tasks']);
  });
});
