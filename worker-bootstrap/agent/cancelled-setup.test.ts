import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gitRepository } from '../../adapters/local/testing/git-repository.ts';
import { runningWith } from '../../adapters/local/testing/processes.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import { type ControlDocument, withCancelledJob, withCancelledTask, withLeftJob } from '../../core/control-document.ts';
import type { TaskMessage } from '../../core/messages.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { PLAIN_CODE } from '../../test/factories/plain-code.ts';
import { AgentHarness } from '../testing/agent-harness.ts';

const [ONE, OTHER] = [jobIdFactory(1), jobIdFactory(2)];

/** Code whose setup runs until it is told that it may end, whatever signals it gets. */
function slowSetup() {
  const [runs, gate] = [join(temporaryFolder(), 'runs'), join(temporaryFolder(), 'gate')];
  const marker = basename(dirname(runs));
  const { url, commit } = gitRepository();
  const loop = `trap "" TERM; while ! test -e ${gate}; do sleep 0.05; done`;
  const code: TaskMessage['code'] = {
    repository: url,
    commit: commit({ 'task.sh': 'cat made' }),
    ...PLAIN_CODE,
    setup: `trap "" TERM; echo x >> ${runs}; sh -c '${loop}' ${marker} & sh -c '${loop}' ${marker}; echo 1 > made`,
    run: ['sh', 'task.sh'],
  };
  return {
    code,
    open: () => writeFileSync(gate, ''),
    isRunning: () => until(() => runningWith(marker).length >= 2, 'setup runs'),
    isGone: () => until(() => runningWith(marker).length === 0, 'setup is gone'),
    runs: () => readFileSync(runs, 'utf8').length / 2,
  };
}

const tell = (agent: AgentHarness, change: (document: ControlDocument) => ControlDocument): Promise<void> =>
  agent.control.update('default', change);
const cancel = (agent: AgentHarness, jobId: string): Promise<void> =>
  tell(agent, (document) => withCancelledJob(document, jobId, new Date()));

const taskOf = (code: TaskMessage['code'], jobId = ONE, index = 0): Partial<TaskMessage> => ({
  jobId,
  taskId: taskIdFactory(index, jobId),
  code,
  timeoutSeconds: 30,
});

describe('a job that is cancelled while its setup runs', () => {
  it('ends it with its whole process group; its tasks are settled, and nothing was anybody’s fault', async () => {
    const agent = new AgentHarness({ slots: 2, idleSeconds: 60, graceSeconds: 60, cancelGraceSeconds: 0.2 });
    const setup = slowSetup();
    await agent.send(taskOf(setup.code), taskOf(setup.code, ONE, 1));
    const running = agent.run();
    await setup.isRunning();

    await cancel(agent, ONE);
    await agent.whenPublished('released', 2);
    await setup.isGone();

    agent.lifecycle.drain('test');
    expect(await running).toBe('test');
    // No cause but this one, and above all not the machine's: that would be a problem of the job.
    expect(agent.taskEvents).toMatchObject([
      { kind: 'released', cause: 'cancelled', seconds: 0 },
      { kind: 'released', cause: 'cancelled', seconds: 0 },
    ]);
    expect(agent.depth).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
    expect(readdirSync(join(agent.settings.workDir, 'checkouts'))).toEqual([]);
  });

  it('does not end it for another job with the same code, which needs no second one', async () => {
    const agent = new AgentHarness({ slots: 2, idleSeconds: 0.3 });
    const setup = slowSetup();
    await agent.send(taskOf(setup.code), taskOf(setup.code, OTHER));
    const running = agent.run();
    await setup.isRunning();
    await until(() => agent.depth.inFlight === 2, 'both are held');

    await cancel(agent, ONE);
    await agent.whenPublished('released');
    setup.open();
    await running;

    expect(agent.eventOf('released')).toMatchObject({ jobId: ONE, cause: 'cancelled' });
    expect(agent.eventOf('completed')).toMatchObject({ jobId: OTHER, result: { json: '1' } });
    expect(setup.runs()).toBe(1);
  });

  it('leaves the checkout to be made anew for another job that comes at once', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 1, cancelGraceSeconds: 0.2 });
    const setup = slowSetup();
    await agent.send(taskOf(setup.code));
    const running = agent.run();
    await setup.isRunning();

    await cancel(agent, ONE);
    await agent.whenPublished('released');
    await agent.send(taskOf(setup.code, OTHER));
    await until(() => setup.runs() === 2, 'it is made anew');
    setup.open();
    await running;

    expect(agent.eventOf('completed')).toMatchObject({ jobId: OTHER, result: { json: '1' } });
    expect(agent.taskEvents).toHaveLength(2);
    // It waited for its turn on this machine: nobody counted a second receive.
    expect(agent.eventOf('completed')?.receiveCount).toBe(1);
  });
});

describe('a job that leaves the fleet while its setup runs', () => {
  it('ends it too, and its messages are dropped without a word', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 0.3, cancelGraceSeconds: 0.2 });
    const setup = slowSetup();
    await agent.send(taskOf(setup.code), taskOf(setup.code, ONE, 1));
    const running = agent.run();
    await setup.isRunning();

    await tell(agent, (document) => withLeftJob(document, ONE, new Date()));
    await setup.isGone();
    await running;

    expect(agent.taskEvents).toEqual([]);
    expect(agent.depth).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
    expect(agent.queues.normal.leaseChanges.filter(({ seconds }) => seconds === 0)).toEqual([]);
  });
});

describe('a single task that is cancelled while its setup runs', () => {
  it('leaves it to the other tasks of its job, until the job is over or the machine ends', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 1, cancelGraceSeconds: 0.2 });
    const setup = slowSetup();
    await agent.send(taskOf(setup.code));
    const running = agent.run();
    await setup.isRunning();

    await tell(agent, (document) => withCancelledTask(document, taskIdFactory(0), new Date()));
    await agent.whenPublished('released');
    await agent.send(taskOf(setup.code, ONE, 1));
    await until(() => agent.depth.inFlight === 1 && agent.depth.visible === 0, 'the next one is held');
    await cancel(agent, ONE);
    await setup.isGone();
    await running;

    expect(setup.runs()).toBe(1);
    expect(agent.taskEvents.map(({ kind }) => kind)).toEqual(['released', 'released']);
  });
});
