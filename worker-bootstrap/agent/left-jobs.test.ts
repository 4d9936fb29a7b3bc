import { describe, expect, it } from 'vitest';
import { gitRepository } from '../../adapters/local/testing/git-repository.ts';
import { runningWith } from '../../adapters/local/testing/processes.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import { withLeftJob } from '../../core/control-document.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { PLAIN_CODE } from '../../test/factories/plain-code.ts';
import { AgentHarness } from '../testing/agent-harness.ts';

const ECHO = `
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    setTimeout(() => console.log('0'), JSON.parse(line).waitMs ?? 0);
  });`;

function code() {
  const { url, commit } = gitRepository();
  const run = ['node', 'echo.js'];
  return {
    repository: url,
    commit: commit({ 'echo.js': ECHO }),
    setup: null,
    run,
    ...PLAIN_CODE,
    protocol: 'jsonl' as const,
  };
}

const leave = (agent: AgentHarness, jobId = jobIdFactory()) =>
  agent.control.update('default', (document) => withLeftJob(document, jobId, new Date()));

describe('tasks of a job that went to other fleets', () => {
  it('are dropped without being started or reported, those of other jobs are not', async () => {
    const agent = new AgentHarness();
    await leave(agent);
    const [gone, other] = [taskIdFactory(0), taskIdFactory(0, jobIdFactory(2))];
    const common = { code: code(), input: {} };
    await agent.send({ ...common, taskId: gone }, { ...common, jobId: jobIdFactory(2), taskId: other });

    await agent.run();

    expect(agent.taskEvents.map(({ taskId }) => taskId)).not.toContain(gone);
    expect(agent.eventOf('completed')?.taskId).toBe(other);
    expect(agent.depth).toMatchObject({ visible: 0, inFlight: 0 });
  });

  it('leave no process behind that waits for more of them', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 60 });
    const marker = temporaryFolder();
    const plain = code();
    await agent.send({ code: { ...plain, run: [...plain.run, marker] }, input: {}, timeoutSeconds: 30 });
    const running = agent.run();
    await agent.whenPublished('completed');
    expect(runningWith(marker)).toHaveLength(1);

    await leave(agent);

    await until(() => runningWith(marker).length === 0, 'it is gone');
    agent.lifecycle.drain('test');
    await running;
  });

  it('that wait for their turn are dropped too, and what runs finishes', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 1 });
    const common = { code: code(), timeoutSeconds: 1 };
    const waits = [0, 700, 0, 0, 0];
    await agent.send(...waits.map((waitMs, index) => ({ ...common, taskId: taskIdFactory(index), input: { waitMs } })));
    const running = agent.run();
    await until(() => agent.depth.inFlight >= 4, 'the others wait behind the long one');

    await leave(agent);
    await running;

    const completed = agent.taskEvents.filter(({ kind }) => kind === 'completed').map(({ taskId }) => taskId);
    expect(completed).toEqual([taskIdFactory(0), taskIdFactory(1)]);
    expect(agent.depth).toMatchObject({ visible: 0, inFlight: 0 });
  });
});
