import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runningWith } from '../../adapters/local/testing/processes.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import { MAX_INLINE_RESULT_BYTES } from '../../core/messages.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { type OneTask, runOneTask } from '../testing/run-one-task.ts';
import type { TaskOutcome } from './task-runner.ts';

const sh = (script: string, task: Omit<OneTask, 'run'> = {}): Promise<TaskOutcome> =>
  runOneTask({ ...task, run: ['sh', '-c', script] });

const resultOf = (outcome: TaskOutcome): unknown =>
  outcome.kind === 'completed' && 'json' in outcome.result ? JSON.parse(outcome.result.json) : outcome;

describe('a command', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('gets its input on standard input and in a file, and says who it is', async () => {
    const outcome = await sh(
      'read line; [ "$line" = "$(cat "$SHOAL_INPUT_FILE")" ] || exit 1; env > "$SHOAL_RESULT_FILE.env"; ' +
        'printf \'{"input":%s,"is":"%s"}\' "$line" "$SHOAL_TASK_ID/$SHOAL_JOB_ID/$SHOAL_ATTEMPT/$SHOAL_TASK_KEY"',
      { input: { text: 'ünï ☃' }, key: 'a', attempt: 3 },
    );

    const is = `${taskIdFactory()}/${jobIdFactory()}/3/a`;
    expect(resultOf(outcome)).toEqual({ input: { text: 'ünï ☃' }, is });
  });

  it("runs in the checkout, with the job's variables and none of the agent's", async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'secret');
    vi.stubEnv('AWS_ENDPOINT_URL_SQS', 'http://localhost');
    vi.stubEnv('SHOAL_STATUS_QUEUE_URL', 'http://localhost/status');
    const print = 'console.log(JSON.stringify({ ...process.env, cwd: require("fs").readdirSync(".") }))';

    const outcome = await runOneTask({
      files: { 'print.js': print },
      run: ['node', 'print.js'],
      env: { GREETING: 'hello', HOME: '/elsewhere' },
    });

    const seen = resultOf(outcome) as Record<string, unknown>;
    expect(Object.keys(seen).sort()).toEqual(
      [
        ...['GREETING', 'HOME', 'LANG', 'PATH', 'SHOAL_ATTEMPT', 'SHOAL_CHECKPOINT_FILE', 'SHOAL_COMMIT'],
        ...['SHOAL_INPUT_FILE', 'SHOAL_JOB_ID', 'SHOAL_RESULT_FILE', 'SHOAL_TASK_ID', 'TMPDIR', 'cwd'],
      ].sort(),
    );
    expect(seen).toMatchObject({ GREETING: 'hello', HOME: '/elsewhere', cwd: ['print.js'] });
  });

  it('gets its arguments verbatim', async () => {
    const words = ['$HOME', '`id`', "it's", '', '--', '*', 'a b', '\n'];

    const outcome = await runOneTask({ run: ['node', '-p', 'JSON.stringify(process.argv.slice(1))', ...words] });

    expect(resultOf(outcome)).toEqual(words);
  });

  it('need not read its input', async () => {
    const outcome = await runOneTask({ run: ['true'], input: 'x'.repeat(1_000_000) });

    expect(resultOf(outcome)).toBeNull();
  });

  it('has a home and a temporary folder of its own, which go with the task', async () => {
    const outcome = await sh('touch "$HOME/a" "$TMPDIR/b"; printf \'["%s","%s"]\' "$HOME" "$TMPDIR"');

    const folders = resultOf(outcome) as string[];
    expect(folders).toHaveLength(2);
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
  });

  it('may fail: the code, the last line of its stderr and the tail of it are kept', async () => {
    const outcome = await sh('echo before >&2; echo "out of ideas" >&2; exit 1');

    expect(outcome).toMatchObject({
      kind: 'failed',
      failure: {
        code: 'exit',
        exitCode: 1,
        message: 'exited with code 1: out of ideas',
        stderrTail: 'before\nout of ideas\n',
      },
    });
  });

  it('may be ended by a signal of its own', async () => {
    expect(await sh('kill -SEGV $$')).toMatchObject({
      kind: 'failed',
      failure: { code: 'signal', signal: 'SIGSEGV', message: 'was ended by signal SIGSEGV' },
    });
  });

  it('that is killed for its memory has died by a signal, which is tried again', async () => {
    // As the kernel's out-of-memory killer does it: SIGKILL to a child, which the shell reports as 137, or to itself.
    expect(await sh('kill -KILL $$')).toMatchObject({ failure: { code: 'signal', signal: 'SIGKILL' } });
  });

  it('may close its input at once', async () => {
    const outcome = await sh('exec <&-; sleep 0.05; echo 1', { input: 'x'.repeat(1_000_000) });

    expect(resultOf(outcome)).toBe(1);
  });

  it('is ended when its time is up, with all its children', async () => {
    const marker = `timed-${process.pid}`;

    const outcome = await sh(`sh -c 'sleep 60; :' ${marker} & echo late >&2; sleep 60`, { timeoutSeconds: 0.3 });

    expect(outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'timeout', message: 'timed out after 0.3 s', stderrTail: 'late\n' },
    });
    await until(() => runningWith(marker).length === 0, 'the child is gone');
  });

  it('is killed when its time is up and it ignores SIGTERM', async () => {
    const outcome = await sh("trap '' TERM; while :; do sleep 0.05; done", { timeoutSeconds: 0.2, graceSeconds: 0.2 });

    expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'timeout' } });
    expect('seconds' in outcome && outcome.seconds).toBeGreaterThanOrEqual(0.4);
  });

  it('that finishes in the grace after its time is up has timed out all the same', async () => {
    const outcome = await sh('trap "exit 0" TERM; echo 1; while :; do sleep 0.05; done', { timeoutSeconds: 0.2 });

    expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'timeout' } });
  });

  it('leaves no child behind, and its children do not hold it up', async () => {
    const marker = `left-${process.pid}`;

    const outcome = await sh(`sh -c 'trap "" TERM; while :; do sleep 0.1; done' ${marker} & echo '{"done":true}'`);

    expect(resultOf(outcome)).toEqual({ done: true });
    await until(() => runningWith(marker).length === 0, 'the child is gone');
  });

  it.each([
    ['is not there', ['nope', 'x'], {}, 'command-not-found', 'the command `nope` was not found'],
    ['is not in the repository', ['./nope.sh'], {}, 'command-not-found', 'the command `./nope.sh` was not found'],
    [
      'lacks its interpreter',
      ['./a.py'],
      { 'a.py': '#!/no/such/python3\n' },
      'command-not-found',
      'the interpreter of `./a.py` was not found: #!/no/such/python3',
    ],
    [
      'may not be executed',
      ['./a.txt'],
      { 'a.txt': 'x' },
      'command-not-executable',
      'the command `./a.txt` is not executable',
    ],
    ['is a folder', ['./a'], { 'a/b': 'x' }, 'command-not-executable', 'the command `./a` is not executable'],
  ] as const)('that %s is named', async (_, run, files, code, message) => {
    expect(await runOneTask({ run, files })).toMatchObject({ kind: 'failed', failure: { code, message } });
  });

  it('whose checkout is gone costs no attempt', async () => {
    const outcome = await runOneTask({ run: ['true'], checkoutIsGone: true });

    expect(outcome).toMatchObject({ kind: 'released', cause: 'machine', reason: 'the checkout is gone' });
  });
});

describe('its result', () => {
  it.each([
    ['the last line of stdout', 'echo noise; echo "{\\"a\\":1}"', { a: 1 }],
    ['the last line that is not blank', 'echo 5; echo; echo "  "', 5],
    ['a last line without a newline', 'printf "[1]"', [1]],
    ['null, when the last line is no JSON', 'echo "{\\"a\\":1}"; echo done', null],
    ['null, when there is no output', ':', null],
    ['the file rather than stdout', 'echo 1; echo "{\\"b\\":2}" > "$SHOAL_RESULT_FILE"', { b: 2 }],
    ['stdout, when the file is empty', 'echo 1; : > "$SHOAL_RESULT_FILE"', 1],
  ])('is %s', async (_, script, result) => {
    expect(resultOf(await sh(script))).toEqual(result);
  });

  it('is one line, with its numbers as they were', async () => {
    const outcome = await sh('printf \'{\\n  "n": 12345678901234567890\\n}\\n\' > "$SHOAL_RESULT_FILE"');

    expect(outcome).toMatchObject({ kind: 'completed', result: { json: '{   "n": 12345678901234567890 }' } });
  });

  it.each([
    ['text', 'echo hello > "$SHOAL_RESULT_FILE"', 'it starts with "hello\\n"'],
    ['not UTF-8', 'printf \'"\\377"\' > "$SHOAL_RESULT_FILE"', 'does not hold JSON in UTF-8'],
    ['a folder', 'mkdir "$SHOAL_RESULT_FILE"', 'is not a plain file'],
    ['a pipe', 'mkfifo "$SHOAL_RESULT_FILE"', 'is not a plain file'],
    ['a link', 'ln -s /etc/hostname "$SHOAL_RESULT_FILE"', 'is not a plain file'],
  ])('is refused when the file is %s', async (_, script, words) => {
    const outcome = await sh(script);

    expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'result-invalid' } });
    expect(outcome.kind === 'failed' && outcome.failure.message).toContain(words);
  });

  it('lies in a blob of its lease when it is large', async () => {
    const blobs = new InMemoryBlobStore();
    const print = `console.log(JSON.stringify('x'.repeat(${MAX_INLINE_RESULT_BYTES})))`;

    const outcome = await runOneTask({ run: ['node', '-e', print], blobs });

    const blob = `jobs/${jobIdFactory()}/results/${taskIdFactory()}/1-lease-1`;
    expect(outcome).toMatchObject({ kind: 'completed', result: { blob, bytes: MAX_INLINE_RESULT_BYTES + 2 } });
    expect((await blobs.get(blob))?.length).toBe(MAX_INLINE_RESULT_BYTES + 2);
  });

  it('is not lost in silence when the last line is too long to be kept', async () => {
    const outcome = await runOneTask({ run: ['node', '-e', "console.log('[' + '1,'.repeat(9e6) + '1]')"] });

    expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'result-too-large' } });
  });

  it('above 100 MB is refused', async () => {
    const outcome = await sh('truncate -s 101M "$SHOAL_RESULT_FILE"');

    expect(outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'result-too-large', message: 'result too large: it has 105906176 bytes, 104857600 are allowed' },
    });
  });

  it.each([
    ['in a file', 'node -p "JSON.stringify(\'x\'.repeat(1e7))" > "$SHOAL_RESULT_FILE"'],
    ['on stdout', 'node -p "JSON.stringify(\'x\'.repeat(1e7))"'],
  ])('of 10 MB goes by reference: %s', async (_, script) => {
    const blobs = new InMemoryBlobStore();

    const outcome = await sh(script, { blobs });

    expect(outcome).toMatchObject({ kind: 'completed', result: { blob: expect.any(String), bytes: 10_000_002 } });
  });

  it.each([
    ['in a file', 'echo "[1, 2, 3, 4, 5]" > "$SHOAL_RESULT_FILE"'],
    ['on stdout', 'echo "[1, 2, 3, 4, 5]"'],
  ])('above the limit of the machine is refused: %s', async (_, script) => {
    const outcome = await sh(script, { maxResultBytes: 10 });

    expect(outcome).toMatchObject({
      failure: { code: 'result-too-large', message: expect.stringMatching(/^result too large/) },
    });
  });

  it('that cannot be stored is no fault of the task', async () => {
    const blobs = new InMemoryBlobStore();
    const { PermanentError } = await import('../../core/errors.ts');
    blobs.put = () => Promise.reject(new PermanentError('no'));

    const outcome = await runOneTask({ run: ['node', '-p', "JSON.stringify('x'.repeat(5000))"], blobs });

    expect(outcome).toMatchObject({ kind: 'released', cause: 'machine', reason: 'the result could not be stored: no' });
  });
});

describe('an input by reference', () => {
  const reference = (line: number): Omit<OneTask, 'run'> => ({ input: undefined, inputRef: { blob: 'chunk', line } });

  it("is its line of the chunk's file, key and all", async () => {
    const blobs = new InMemoryBlobStore();
    await blobs.put('chunk', '{"input":1}\n{"key":"b","input":{"x":[2]}}\n', 'application/x-ndjson');

    const outcome = await sh('printf \'["%s",%s]\' "$SHOAL_TASK_KEY" "$(cat)"', { ...reference(1), blobs });

    expect(resultOf(outcome)).toEqual(['b', { x: [2] }]);
  });

  it('is fetched alone where the message says where in the file it is', async () => {
    const blobs = new InMemoryBlobStore();
    const [before, own] = ['{"input":1}\n', '{"key":"ü","input":{"x":[2]}}'];
    await blobs.put('chunk', `${before}${own}\n{"input":3}\n`, 'application/x-ndjson');
    const range = { offset: before.length, bytes: Buffer.byteLength(own) };

    const outcome = await sh('printf \'["%s",%s]\' "$SHOAL_TASK_KEY" "$(cat)"', {
      input: undefined,
      inputRef: { blob: 'chunk', line: 1, range },
      blobs,
    });

    expect(resultOf(outcome)).toEqual(['ü', { x: [2] }]);
  });

  it.each([
    ['line', 7],
    ['chunk', 0],
  ])('whose %s is missing fails the task', async (what, line) => {
    const blobs = new InMemoryBlobStore();
    if (what === 'line') await blobs.put('chunk', '{"input":1}\n', 'application/x-ndjson');

    const outcome = await sh(':', { ...reference(line), blobs });

    expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'input-unavailable' } });
  });

  it('that cannot be read costs no attempt', async () => {
    const blobs = new InMemoryBlobStore();
    const { PermanentError } = await import('../../core/errors.ts');
    blobs.get = () => Promise.reject(new PermanentError('access denied'));

    expect(await sh(':', { ...reference(0), blobs })).toMatchObject({ kind: 'released', cause: 'machine' });
  });
});

describe('a stop', () => {
  it('releases a command that it ends', async () => {
    const stop = new AbortController();
    const folder = temporaryFolder();
    const started = join(folder, 'started');
    const running = sh(`touch ${started}; sleep 60`, { stop: stop.signal });
    await until(() => existsSync(started), 'it started');

    stop.abort();

    expect(await running).toMatchObject({ kind: 'released', cause: 'interrupted' });
  });

  it('lets a command finish its work in the grace', async () => {
    const stop = new AbortController();
    const started = join(temporaryFolder(), 'started');
    const script = `trap 'echo "\\"saved\\""; exit 0' TERM; touch ${started}; while :; do sleep 0.05; done`;
    const running = sh(script, { stop: stop.signal, graceSeconds: 5 });
    await until(() => existsSync(started), 'it started');

    stop.abort();

    expect(resultOf(await running)).toBe('saved');
  });

  it('releases a cancelled command even if it finishes', async () => {
    const stop = new AbortController();
    const started = join(temporaryFolder(), 'started');
    const script = `trap 'exit 0' TERM; touch ${started}; while :; do sleep 0.05; done`;
    const running = sh(script, { stop: stop.signal, stopCause: 'cancelled', graceSeconds: 5 });
    await until(() => existsSync(started), 'it started');

    stop.abort();

    expect(await running).toMatchObject({ kind: 'released', cause: 'cancelled' });
  });

  it('that turns into a kill does not wait for the grace', async () => {
    const stop = new AbortController();
    const kill = new AbortController();
    const log = join(temporaryFolder(), 'log');
    const script = `trap 'echo asked >> ${log}' TERM; echo up >> ${log}; while :; do sleep 0.05; done`;
    const running = sh(script, { stop: stop.signal, kill: kill.signal, graceSeconds: 600 });
    await until(() => existsSync(log), 'it started');
    stop.abort();
    await until(() => readFileSync(log, 'utf8').includes('asked'), 'it ignored the stop');

    kill.abort();

    expect(await running).toMatchObject({ kind: 'released', cause: 'interrupted' });
  });

  it('before the start gives the task back, or is done with it if its job is cancelled', async () => {
    const stop = AbortSignal.abort();

    expect(await sh(':', { stop })).toEqual({ kind: 'returned' });
    expect(await sh(':', { stop, stopCause: 'cancelled' })).toMatchObject({ kind: 'released', cause: 'cancelled' });
  });
});
