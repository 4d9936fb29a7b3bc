/** Commands that break the `jsonl` protocol in whatever way they can, against the part of the agent that speaks it. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isRunning } from '../../adapters/local/testing/processes.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import { readPath } from '../testing/config.ts';
import type { CommandRun } from './command-run.ts';
import { DiskSpace, probeOf } from './disk-space.ts';
import { JsonlPool } from './jsonl-pool.ts';
import { runJsonl } from './jsonl-task.ts';
import { MemoryShortage } from './memory-shortage.ts';
import { ProcessGroups } from './process-groups.ts';

/** A slot of a machine whose job has this shell script for its command. */
function slot(script: string, { timeoutSeconds = 20, graceSeconds = 0.3, maxResultBytes = 1_000_000 } = {}) {
  const folder = temporaryFolder();
  const never = new AbortController().signal;
  const pool = new JsonlPool({ graceSeconds, hurry: never, kill: never, room: () => 1 });
  onTestFinished(() => pool.close());
  const tools = {
    pool,
    groups: new ProcessGroups(folder),
    disk: new DiskSpace(probeOf(folder)),
    memory: new MemoryShortage(),
  };
  let [started, gone] = [0, 0];
  const ask = (input: unknown): Promise<CommandRun> =>
    runJsonl(
      {
        jobId: 'job',
        key: 'key',
        line: JSON.stringify(input),
        command: async () => {
          started += 1;
          const environment = { PATH: readPath() };
          const command = { command: 'sh', arguments: ['-c', script], cwd: folder, environment, user: null };
          const cleanUp = async (): Promise<void> => {
            gone += 1;
          };
          return { command, cleanUp };
        },
        limits: { timeoutSeconds, graceSeconds, stop: never, kill: never },
        maxResultBytes,
        maxLogBytes: 64 * 1024,
      },
      tools,
    );
  return { ask, folder, pool, started: () => started, gone: () => gone };
}

const outcomeOf = (run: CommandRun): unknown => {
  if (run.kind !== 'ran') return run;
  return 'json' in run.outcome ? JSON.parse(run.outcome.json) : run.outcome.failure;
};

/** Answers each line with that line. */
const ECHO = 'while read -r line; do echo "$line"; done';

describe('a jsonl command', () => {
  it('may end its lines as Windows does, and leave some blank', async () => {
    const { ask } = slot('while read -r line; do printf \'\\r\\n  \\n%s\\r\\n\\n\' "$line"; done');

    expect([outcomeOf(await ask({ a: 1 })), outcomeOf(await ask({ b: 2 }))]).toEqual([{ a: 1 }, { b: 2 }]);
  });

  it.each([
    ['greets before it is asked', `echo "Listening ..."; ${ECHO}`, 'it starts with "Listening ..."'],
    ['answers in another encoding', 'read -r line; printf \'"\\377"\\n\'', 'not JSON in UTF-8'],
    ['answers with NULs', "read -r line; printf '\\0\\0\\n'", 'it starts with "\\u0000\\u0000"'],
  ])('that %s fails its task for good, by the words that it said', async (_what, script, words) => {
    const { ask } = slot(script);

    expect(outcomeOf(await ask(1))).toMatchObject({
      code: 'result-invalid',
      message: expect.stringContaining(words),
    });
  });

  it.each([
    ['exits', 'exit 3', { code: 'exit', exitCode: 3 }],
    ['exits with 0', 'exit 0', { code: 'exit', exitCode: 0 }],
    ['dies', 'kill -PIPE $$', { code: 'signal', signal: 'SIGPIPE' }],
  ])('that prints half a line and %s has not answered', async (_what, end, failure) => {
    const { ask } = slot(`read -r line; printf '{"half":'; ${end}`);

    expect(outcomeOf(await ask(1))).toMatchObject(failure);
  });

  it('that says two lines a task answers none with the second one of another', async () => {
    const { ask, started } = slot(`while read -r line; do echo "$line"; echo '"and more"'; done`);

    const answers = [];
    for (const input of ['a', 'b', 'c', 'd', 'e']) answers.push(outcomeOf(await ask(input)));

    expect(answers).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(started()).toBe(5);
  });

  it('that says more after a while, when nobody asked, does not answer the next task with it', async () => {
    const more = join(temporaryFolder(), 'more');
    const { ask, gone } = slot(
      `read -r line; echo "$line"; while ! test -e ${more}; do sleep 0.02; done; echo 2; ${ECHO}`,
    );
    expect(outcomeOf(await ask('first'))).toBe('first');

    writeFileSync(more, '');
    await until(() => gone() === 1, 'it is ended');

    expect(outcomeOf(await ask('second'))).toBe('second');
  });

  it('that says too much is gone when its task is over', async () => {
    const { ask, gone, folder } = slot("read -r line; printf '1\\n2\\n'; exec sleep 60");

    expect(outcomeOf(await ask('first'))).toBe(1);

    expect(gone()).toBe(1);
    expect(readdirSync(join(folder, 'groups'))).toEqual([]);
  });

  it('that answers when its time was up has answered neither that task nor the next', async () => {
    const late = `trap 'sleep 0.2; echo "\\"late\\""' TERM; read -r line; while :; do sleep 0.05; done`;
    const mark = join(temporaryFolder(), 'again');
    const { ask } = slot(`if test -e ${mark}; then ${ECHO}; exit; fi; touch ${mark}; ${late}`, {
      timeoutSeconds: 0.5,
      graceSeconds: 0.6,
    });

    expect(outcomeOf(await ask('first'))).toMatchObject({ code: 'timeout', message: 'timed out after 0.5 s' });
    expect(outcomeOf(await ask('second'))).toBe('second');
  });

  it('that closes its output and lives on will never answer: its time limit is not waited for', async () => {
    const { ask, gone } = slot('read -r line; exec >&-; sleep 60');

    expect(outcomeOf(await ask(1))).toMatchObject({
      code: 'result-invalid',
      message: 'closed its output before it answered',
    });
    expect(gone()).toBe(1);
  });

  it('that closes its output between two tasks is replaced', async () => {
    const { ask, started } = slot('read -r line; echo "$line"; exec >&-; sleep 60');

    expect([outcomeOf(await ask(1)), outcomeOf(await ask(2))]).toEqual([1, 2]);
    expect(started()).toBe(2);
  });

  it('that closes its input between two tasks is replaced: the next one never reached it', async () => {
    const { ask, started } = slot('read -r line; echo "$line"; exec <&-; exec sleep 60');
    expect(outcomeOf(await ask(1))).toBe(1);
    await delay(100);

    expect(outcomeOf(await ask(2))).toBe(2);
    expect(started()).toBe(2);
  });

  it('may close its input and answer all the same', async () => {
    const { ask } = slot('exec <&-; sleep 0.2; echo 1; exec sleep 60');

    expect(outcomeOf(await ask('x'.repeat(500_000)))).toBe(1);
  });

  it('that dies between two tasks fails none of them, however late that is noticed', async () => {
    const pid = join(temporaryFolder(), 'pid');
    const { ask, started } = slot(`echo $$ > ${pid}; read -r line; echo "$line"; exit 3`);
    expect(outcomeOf(await ask(1))).toBe(1);
    // Without a turn of the event loop: the news of its death is still on the way.
    const deadline = performance.now() + 5_000;
    while (isRunning(Number(readFileSync(pid, 'utf8'))) && performance.now() < deadline);

    expect(outcomeOf(await ask(2))).toBe(2);
    expect(started()).toBe(2);
  });

  it('that ends as soon as it has answered has answered, however much it said', async () => {
    const { ask } = slot("read -r line; printf '\"'; head -c 900000 /dev/zero | tr '\\0' x; printf '\"\\n'");

    for (let tries = 0; tries < 3; tries += 1) expect(outcomeOf(await ask(1))).toHaveLength(900_000);
  });

  it('that dies of its task at once fails it, also as its second one', async () => {
    const { ask } = slot('read -r line; echo "$line"; read -r line; exit 3');

    expect(outcomeOf(await ask(1))).toBe(1);
    expect(outcomeOf(await ask(2))).toMatchObject({ code: 'exit', exitCode: 3 });
  });

  it('that says 200 MB in one line is ended, and costs the agent no more than its limit', async () => {
    const { ask } = slot("read -r line; printf '\"'; head -c 200000000 /dev/zero | tr '\\0' x; printf '\"\\n'");
    const before = process.memoryUsage().rss;

    expect(outcomeOf(await ask(1))).toMatchObject({ code: 'result-too-large' });
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  });

  it.each([
    ['while it is asked', 'exec yes ""', expect.objectContaining({ code: 'result-too-large' })],
    ['while nobody asks', 'echo 1; exec yes ""', 1],
  ])('that floods with blank lines %s is ended before it costs others their time', async (_what, flood, outcome) => {
    const { ask, gone } = slot(`read -r line; ${flood}`, { maxResultBytes: 5_000_000 });
    const before = process.cpuUsage();

    expect(outcomeOf(await ask(1))).toEqual(outcome);
    await until(() => gone() === 1, 'it is ended');

    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(0.5);
  });

  it('that is told to end has its grace, also once it has closed its output', async () => {
    const mark = join(temporaryFolder(), 'goodbye');
    const { ask, pool } = slot(`${ECHO}; exec >&-; sleep 1.2; touch ${mark}`, { graceSeconds: 5 });
    await ask(1);

    await pool.close();

    expect(existsSync(mark)).toBe(true);
  });

  it('leaves nothing behind', async () => {
    const { ask, pool, folder, gone } = slot(ECHO);
    await ask(1);

    await pool.close();

    expect([gone(), readdirSync(join(folder, 'groups')), existsSync(folder)]).toEqual([1, [], true]);
  });
});
