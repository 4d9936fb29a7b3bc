import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { taskIdFactory } from '../test/factories/ids.ts';
import { at } from '../test/factories/manual-clock.ts';
import { failureFactory, taskRecordFactory } from '../test/factories/task-record.ts';
import { FailureGroups, failureGroupId, isFailureGroupId, patternOf } from './failure-groups.ts';
import { type Failure, failureSchema } from './task.ts';

const saying = (stderrTail: string, overrides: Partial<Failure> = {}): Failure =>
  failureFactory({ exitCode: 1, message: 'exited with code 1', stderrTail, ...overrides });

const pythonTrace = (path: string, line: number, value: string) => `loading ${path}
Traceback (most recent call last):
  File "${path}/main.py", line ${line}, in <module>
    main(${value})
ValueError: could not convert string to float: '${value}'
`;
const nodeTrace = (folder: string, property: string) => `/${folder}/count.js:${folder.length}
    throw new TypeError('x');
    ^

TypeError: Cannot read properties of undefined (reading '${property}')
    at count (/${folder}/count.js:3:7)
    at node:internal/main/run_main_module:36:49

Node.js v24.1.0
`;

describe('failures of one cause', () => {
  it.each([
    ['numbers', 'line 12: bad value -3.5e10', 'line 7: bad value 1,200'],
    ['times', '2026-03-01T12:00:00.123Z error: busy', '2026-11-22 05:40:18 error: busy'],
    ['times of day', '12:00:01 error: busy', '09:13:59.4 error: busy'],
    ['paths', 'error: no such file: /data/alice/in.txt', 'error: no such file: C:\\data\\bob.txt'],
    ['names of data files', 'cannot read alice.csv', 'cannot read bob.csv'],
    ['UUIDs', 'row 6f1c2c1e-8d1b-4f7e-9b62-1d2f3a4b5c6d failed', 'row 00000000-0000-4000-8000-000000000000 failed'],
    ['ids of tasks', `task ${taskIdFactory(1)} failed`, `task ${taskIdFactory(20)} failed`],
    ['addresses of memory', 'segfault at 0x7ffd12, error', 'segfault at 0x0, error'],
    ['hashes', 'unable to read tree 1a2b3c4d5e6f', 'unable to read tree 9f8e7d6c5b4a3928'],
    ['hosts', 'connection to 10.0.0.1:5432 refused', 'connection to 192.168.17.4:5432 refused'],
    ['URLs', 'failed to fetch https://a.example/x?y=1', 'failed to fetch http://b.example/'],
    ['mail addresses', 'invalid recipient a.b@example.com', 'invalid recipient c@d.example.org'],
    ['quoted values', `can't open "alice" or 'it'`, `can't open "bob and carol" or 'them'`],
    ['colours', '\u001b[31merror: busy\u001b[0m', 'error: busy'],
    ['what was printed before', 'working on alice\nerror: busy', 'working on bob\nerror: busy'],
    ['stack traces of Python', pythonTrace('/home/a', 12, 'x'), pythonTrace('/srv/tasks/b', 7, 'yz')],
    ['stack traces of Node', nodeTrace('tmp/a', 'length'), nodeTrace('home/bcd', 'name')],
  ])('are one group, whatever their %s', (_what, one, other) => {
    expect(patternOf(saying(other))).toBe(patternOf(saying(one)));
    expect(failureGroupId(saying(other))).toBe(failureGroupId(saying(one)));
  });

  it('are one group when they time out, whatever they were at', () => {
    const timedOut = (stderrTail: string) => saying(stderrTail, { code: 'timeout', exitCode: undefined });

    expect(failureGroupId(timedOut('epoch 3'))).toBe(failureGroupId(timedOut('an error, ignored')));
  });
});

describe('failures of different causes', () => {
  it.each<[string, Failure, Failure]>([
    ['exit codes', saying('error: busy'), saying('error: busy', { exitCode: 2 })],
    ['codes', saying('error: busy'), saying('error: busy', { code: 'timeout' })],
    [
      'signals',
      saying('', { code: 'signal', exitCode: undefined, signal: 'SIGKILL' }),
      saying('', { code: 'signal', exitCode: undefined, signal: 'SIGSEGV' }),
    ],
    ['words', saying('error: no such table'), saying('error: no such column')],
    [
      'kinds of exception',
      saying(nodeTrace('a', 'b')),
      saying(nodeTrace('a', 'b').replaceAll('TypeError', 'RangeError')),
    ],
    [
      'words after the line that names the fault',
      saying("thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`"),
      saying(
        "thread 'main' panicked at src/main.rs:9:5:\nattempt to divide by zero\nnote: run with `RUST_BACKTRACE=1`",
      ),
    ],
    [
      'messages that they reported themselves',
      failureFactory({ code: 'reported', message: 'too dark' }),
      failureFactory({ code: 'reported', message: 'too bright' }),
    ],
  ])('are told apart by their %s', (_what, one, other) => {
    expect(failureGroupId(other)).not.toBe(failureGroupId(one));
  });
});

describe('groups', () => {
  it('count their tasks, name the first few and when it happened, the largest group first', () => {
    const groups = new FailureGroups();
    for (let index = 0; index < 8; index += 1) {
      const failure = index === 3 ? saying('error: disk full') : saying(`error: bad row ${index}`);
      groups.add(taskRecordFactory({ index, status: 'FAILED', failure, finishedAt: at(100 - index) }));
    }
    groups.add(taskRecordFactory({ index: 9, status: 'COMPLETED' }));

    const [first, second, ...others] = groups.list();

    expect(others).toEqual([]);
    expect(first).toMatchObject({ count: 7, code: 'exit', exitCode: 1, signal: null, pattern: 'error: bad row <n>' });
    expect(first?.examples.map(({ index }) => index)).toEqual([0, 1, 2, 4, 5]);
    expect(first).toMatchObject({ message: 'exited with code 1', firstAt: at(93), lastAt: at(100) });
    expect(second).toMatchObject({ count: 1, pattern: 'error: disk full', firstAt: at(97), lastAt: at(97) });
  });

  it('have a pattern for every kind of failure, and take any text in time', () => {
    const codes = fc.constantFrom(...failureSchema.shape.code.options);
    fc.assert(
      fc.property(codes, fc.string({ maxLength: 200 }), (code, text) => {
        const failure = failureFactory({ code, message: text, stderrTail: text });

        expect(patternOf(failure).length).toBeLessThan(10_000);
        expect(isFailureGroupId(failureGroupId(failure))).toBe(true);
      }),
    );
  });

  it.each(['a'.repeat(2_048), '/'.repeat(2_048), 'a.'.repeat(1_024), '1:'.repeat(1_024), `"'`.repeat(1_024)])(
    'read hostile text fast (%#)',
    (text) => {
      const began = performance.now();

      for (let times = 0; times < 50; times += 1) patternOf(saying(`error ${text}`));

      expect(performance.now() - began).toBeLessThan(2_000);
    },
  );
});
