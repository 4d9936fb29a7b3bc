import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gitRepository } from '../../adapters/local/testing/git-repository.ts';
import { runningWith } from '../../adapters/local/testing/processes.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import { withCancelledJob } from '../../core/control-document.ts';
import type { TaskMessage } from '../../core/messages.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { PLAIN_CODE } from '../../test/factories/plain-code.ts';
import { AgentHarness } from '../testing/agent-harness.ts';

/** A command that answers by the kind of its input, and says which process it is and how many it answered. */
const SERVER = `
let answered = 0;
const rl = require('node:readline').createInterface({ input: process.stdin });
rl.on('line', (line) => {
  const input = JSON.parse(line);
  answered += 1;
  const say = (text) => process.stdout.write(text + '\\n');
  const answer = (value) => say(JSON.stringify(value));
  switch (input.do) {
    case 'echo': return answer({ echo: input.value, pid: process.pid, answered });
    case 'big': return answer('x'.repeat(input.bytes));
    case 'fail': return answer({ message: 'no such page', shoal: 'failed', retry: input.retry });
    case 'odd': return answer({ shoal: 'nonsense' });
    case 'text': return say('hello, I am not JSON');
    case 'twice': return say('1\\n2');
    case 'exit': console.error('giving up'); return process.exit(input.code);
    case 'signal': return process.kill(process.pid, 'SIGKILL');
    case 'hang': return;
    case 'stubborn': return process.on('SIGTERM', () => {});
    case 'say': console.error('about ' + input.value); return answer(null);
    case 'retire': answer(answered); return rl.close(), process.exit(0);
    case 'environment': return answer(Object.keys(process.env).sort());
    case 'wait': process.on('SIGTERM', () => answer('saved')); return require('fs').writeFileSync(input.mark, '');
  }
});
process.on('exit', () => process.env.GOODBYE && require('fs').appendFileSync(process.env.GOODBYE, answered + '\\n'));
`;

function serverCode(env: Record<string, string> = {}): TaskMessage['code'] {
  const { url, commit } = gitRepository();
  const run = ['node', 'server.js'];
  return {
    repository: url,
    commit: commit({ 'server.js': SERVER }),
    setup: null,
    run,
    ...PLAIN_CODE,
    env,
    protocol: 'jsonl',
  };
}

type Input = Record<string, unknown> & { do: string };

/** Runs these inputs in order on an agent with one slot; the events come in the same order. */
async function runAll(inputs: readonly Input[], settings: ConstructorParameters<typeof AgentHarness>[0] = {}) {
  const agent = new AgentHarness({ slots: 1, ...settings });
  const code = serverCode();
  const message = (input: Input, index: number) => ({ taskId: taskIdFactory(index), code, input, timeoutSeconds: 30 });
  await agent.send(...inputs.map(message));
  await agent.run();
  return { agent, events: agent.taskEvents.filter((event) => event.kind !== 'started') };
}

const resultOf = (event: unknown): unknown =>
  JSON.parse((event as { result: { json: string } }).result?.json ?? JSON.stringify(event));

describe('a jsonl command', () => {
  it('is started once and answers task after task, each with its own input', async () => {
    const { events, agent } = await runAll([1, 'zwei 😀\n', null].map((value) => ({ do: 'echo', value })));

    const results = events.map(resultOf) as { echo: unknown; pid: number; answered: number }[];
    expect(results.map(({ echo, answered }) => [echo, answered])).toEqual([
      [1, 1],
      ['zwei 😀\n', 2],
      [null, 3],
    ]);
    expect(new Set(results.map(({ pid }) => pid)).size).toBe(1);
    expect(readdirSync(join(agent.settings.workDir, 'groups'))).toEqual([]);
    expect(readdirSync(join(agent.settings.workDir, 'tasks'))).toEqual([]);
  });

  it('is started once a slot', async () => {
    const { events } = await runAll(
      Array.from({ length: 12 }, (_, value) => ({ do: 'echo', value })),
      { slots: 3 },
    );

    const pids = events.map((event) => (resultOf(event) as { pid: number }).pid);
    expect(pids).toHaveLength(12);
    expect(new Set(pids).size).toBeLessThanOrEqual(3);
  });

  it('sees its job and nothing of the machine or of one task', async () => {
    const { events } = await runAll([{ do: 'environment' }]);

    expect(resultOf(events[0])).toEqual(['HOME', 'LANG', 'PATH', 'SHOAL_COMMIT', 'SHOAL_JOB_ID', 'TMPDIR']);
  });

  it('may fail a task, for good or for now, without ending', async () => {
    const { events } = await runAll([{ do: 'fail', retry: true }, { do: 'fail' }, { do: 'echo', value: 1 }]);

    expect(events.slice(0, 2)).toMatchObject([
      { kind: 'failed', failure: { code: 'reported', message: 'no such page', retry: true } },
      { kind: 'failed', failure: { code: 'reported', message: 'no such page', retry: false } },
    ]);
    expect(resultOf(events[2])).toMatchObject({ answered: 3 });
  });

  it.each<[string, Input, object]>([
    ['exits', { do: 'exit', code: 75 }, { code: 'exit', exitCode: 75, message: 'exited with code 75: giving up' }],
    [
      'exits with 0',
      { do: 'exit', code: 0 },
      { code: 'exit', exitCode: 0, message: 'exited with code 0 before it answered' },
    ],
    ['dies', { do: 'signal' }, { code: 'signal', signal: 'SIGKILL' }],
    [
      'says what is no JSON',
      { do: 'text' },
      { code: 'result-invalid', message: expect.stringContaining('hello, I am') },
    ],
    ['answers with an envelope that is none', { do: 'odd' }, { code: 'result-invalid' }],
    [
      'answers too much',
      { do: 'big', bytes: 200_001 },
      { code: 'result-too-large', message: expect.stringMatching(/^result too large/) },
    ],
  ])('that %s fails only the task at hand', async (_what, input, failure) => {
    const { events } = await runAll([input, { do: 'echo', value: 'next' }], { maxResultBytes: 200_000 });

    expect(events[0]).toMatchObject({ kind: 'failed', failure });
    expect(resultOf(events[1])).toMatchObject({ echo: 'next' });
  });

  it.each(['hang', 'stubborn'])('has a time limit a task, also one that is %s', async (how) => {
    const agent = new AgentHarness({ slots: 1, graceSeconds: 0.2 });
    const code = serverCode();
    await agent.send({ taskId: taskIdFactory(0), code, input: { do: how }, timeoutSeconds: 0.8 });
    await agent.send({ taskId: taskIdFactory(1), code, input: { do: 'echo', value: 1 }, timeoutSeconds: 30 });

    await agent.run();

    expect(agent.taskEvents[0]).toMatchObject({ failure: { code: 'timeout', message: 'timed out after 0.8 s' } });
    expect(resultOf(agent.taskEvents[1])).toMatchObject({ echo: 1, answered: 1 });
  });

  it('that says more than one line is not asked again: the next answer could be the wrong one', async () => {
    const { events } = await runAll([{ do: 'twice' }, { do: 'echo', value: 'mine' }]);

    expect(resultOf(events[0])).toBe(1);
    expect(resultOf(events[1])).toMatchObject({ echo: 'mine', answered: 1 });
  });

  it('may end between two tasks: nobody fails for it', async () => {
    const { events } = await runAll([
      { do: 'retire' },
      { do: 'echo', value: 1 },
      { do: 'retire' },
      { do: 'echo', value: 2 },
    ]);

    expect(events.map((event) => event.kind)).toEqual(['completed', 'completed', 'completed', 'completed']);
  });

  it('says on stderr what belongs to the task at hand', async () => {
    const { events } = await runAll([
      { do: 'say', value: 'one' },
      { do: 'exit', code: 3 },
    ]);

    expect(events[1]).toMatchObject({ failure: { stderrTail: 'giving up\n' } });
  });

  it('gives a large answer by reference', async () => {
    const { events, agent } = await runAll([{ do: 'big', bytes: 10_000_000 }]);

    expect(events[0]).toMatchObject({ kind: 'completed', result: { blob: expect.any(String), bytes: 10_000_002 } });
    const { blob } = (events[0] as { result: { blob: string } }).result;
    expect((await agent.blobs.get(blob))?.length).toBe(10_000_002);
  });

  it('is told the end of its input when the machine drains, and may say goodbye', async () => {
    const goodbye = join(temporaryFolder(), 'goodbye');
    const agent = new AgentHarness({ slots: 1 });
    await agent.send({ code: serverCode({ GOODBYE: goodbye }), input: { do: 'echo' }, timeoutSeconds: 30 });

    await agent.run();

    expect(readFileSync(goodbye, 'utf8')).toBe('1\n');
    expect(agent.published.at(-1)).toMatchObject({ state: 'TERMINATED' });
  });

  it('gets SIGTERM on an interruption, and what it answers in the grace counts', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 60, graceSeconds: 10 });
    const mark = join(temporaryFolder(), 'waits');
    await agent.send({ code: serverCode(), input: { do: 'wait', mark }, timeoutSeconds: 30 });
    const running = agent.run();
    await until(() => existsSync(mark), 'it waits');

    agent.lifecycle.onSignal('SIGTERM');
    await running;

    expect(agent.eventOf('completed')).toMatchObject({ result: { json: '"saved"' } });
  });

  it('of a cancelled job is ended, at work or idle', async () => {
    const agent = new AgentHarness({ slots: 2, idleSeconds: 60, graceSeconds: 0.5 });
    const code = serverCode({ GOODBYE: join(temporaryFolder(), 'goodbye') });
    const marker = `marker-${process.pid}`;
    const marked = { ...code, run: [...code.run, marker] };
    await agent.send({ taskId: taskIdFactory(0), code: marked, input: { do: 'echo' }, timeoutSeconds: 30 });
    await agent.send({ taskId: taskIdFactory(1), code: marked, input: { do: 'stubborn' }, timeoutSeconds: 30 });
    const running = agent.run();
    await agent.whenPublished('completed');

    await agent.control.update('default', (document) => withCancelledJob(document, jobIdFactory(), new Date()));

    await until(() => runningWith(marker).length === 0, 'its processes are gone');
    agent.lifecycle.drain('test');
    await running;
    expect(agent.eventOf('released')).toMatchObject({ cause: 'cancelled', taskId: taskIdFactory(1) });
  });

  it('that does not exist is named', async () => {
    const agent = new AgentHarness({ slots: 1 });
    await agent.send({ code: { ...serverCode(), run: ['no-such-command'] }, timeoutSeconds: 30 });

    await agent.run();

    expect(agent.eventOf('failed')).toMatchObject({
      failure: { code: 'command-not-found', message: 'the command `no-such-command` was not found' },
    });
  });
});
