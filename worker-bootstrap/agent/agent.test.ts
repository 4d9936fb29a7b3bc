import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gitRepository } from '../../adapters/local/testing/git-repository.ts';
import { runningWith } from '../../adapters/local/testing/processes.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import { withCancelledJob, withCancelledTask, withPausedJob } from '../../core/control-document.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { TaskMessage } from '../../core/messages.ts';
import { COMMIT, jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { PLAIN_CODE } from '../../test/factories/plain-code.ts';
import { AgentHarness } from '../testing/agent-harness.ts';
import { parseAgentConfig } from './config.ts';

/** Code whose command is one line of shell. */
function shell(script: string, setup: string | null = null): TaskMessage['code'] {
  const { url, commit } = gitRepository();
  return { repository: url, commit: commit({ 'task.sh': script }), setup, run: ['sh', 'task.sh'], ...PLAIN_CODE };
}

/** A command that says that it runs (by a file that is there while it may) and then takes its time. */
function longCommand(onTerm = 'exit 143') {
  const mark = join(temporaryFolder(), 'running');
  const code = shell(`trap '${onTerm}' TERM; echo > ${mark}; while :; do sleep 0.02; done`);
  return { code, isRunning: () => until(() => existsSync(mark), 'the command runs') };
}

const tasks = (count: number, message: Partial<TaskMessage>): Partial<TaskMessage>[] =>
  Array.from({ length: count }, (_, index) => ({ taskId: taskIdFactory(index), ...message }));

/** What a machine must be told; all else is as it is everywhere. */
const ENVIRONMENT = {
  ...{ SHOAL_STAGE: 'dev', SHOAL_FLEET: 'default', SHOAL_INSTANCE_ID: 'i-1', SHOAL_IDLE_SECONDS: '60' },
  ...{ SHOAL_MAX_LIFETIME_SECONDS: '86400', SHOAL_QUEUE_URL_PREFIX: 'http://localhost/' },
  ...{ SHOAL_STATUS_QUEUE_URL: 'http://localhost/status', SHOAL_BUCKET: 'bucket', SHOAL_WORK_DIR: '/var/lib/shoal' },
};

const untouched = { visible: 1, inFlight: 0, delayed: 0 };
const done = { visible: 0, inFlight: 0, delayed: 0 };

describe('the agent', () => {
  it('runs tasks to their results, says how it fares, and ends when nothing more comes', async () => {
    const agent = new AgentHarness({ slots: 2 });
    await agent.send(...tasks(5, { code: shell('cat'), timeoutSeconds: 30 }));

    const reason = await agent.run();

    expect(reason).toBe('idle');
    expect(agent.taskEvents.map(({ kind, taskId }) => [kind, taskId]).sort()).toEqual(
      tasks(5, {}).map(({ taskId }) => ['completed', taskId]),
    );
    expect(agent.taskEvents[0]).toMatchObject({ attempt: 1, result: { json: '{"text":"to be or not to be"}' } });
    expect(agent.instanceReports.map(({ state, reason: why }) => [state, why])).toEqual([
      ['READY', null],
      ['DRAINING', 'idle'],
      ['TERMINATED', 'idle'],
    ]);
    expect(agent.published.at(-1)).toMatchObject({ kind: 'instance', state: 'TERMINATED' });
    expect(agent.depth).toEqual(done);
    // One line a checkout, a task and a state, and never an input.
    expect(agent.logLines.join('')).not.toContain('to be');
    expect(readdirSync(join(agent.settings.workDir, 'groups'))).toEqual([]);
    expect(readdirSync(join(agent.settings.workDir, 'tasks'))).toEqual([]);
  });

  it('takes high before normal before low, and no more than it can start at once', async () => {
    const agent = new AgentHarness({ slots: 1 });
    const code = shell('echo 1');
    await agent.send({ taskId: taskIdFactory(3), code, priority: 'low' });
    await agent.send({ taskId: taskIdFactory(2), code, priority: 'normal' });
    await agent.send({ taskId: taskIdFactory(1), code, priority: 'high' });

    await agent.run();

    const ended = agent.taskEvents.filter((event) => event.kind === 'completed').map((event) => event.taskId);
    expect(ended).toEqual([1, 2, 3].map((index) => taskIdFactory(index)));
    expect(agent.queues.high.receives[0]).toMatchObject({ maxMessages: 1 });
  });

  it('leaves an unreadable message to the dead-letter queue', async () => {
    const agent = new AgentHarness();
    agent.queues.normal.queue.send('{"v":1,"nonsense":true}');

    await agent.run();

    expect(agent.taskEvents).toEqual([]);
    expect(agent.depth).toEqual({ visible: 0, inFlight: 1, delayed: 0 });
    expect(agent.logLines.filter((line) => line.includes('a message is no task message'))).toHaveLength(1);
    expect(agent.queues.normal.acknowledged).toEqual([]);
  });

  it('survives a queue that cannot be reached', async () => {
    const agent = new AgentHarness({ idleSeconds: 2 });
    const receive = agent.queues.high.receive.bind(agent.queues.high);
    let failures = 2;
    agent.queues.high.receive = (options) =>
      failures-- > 0 ? Promise.reject(new TransientError('throttled')) : receive(options);
    await agent.send({ code: shell('echo 1'), priority: 'high' });

    const running = agent.run();
    await agent.whenPublished('completed');
    agent.lifecycle.drain('test');

    expect(await running).toBe('test');
  });
});

describe('the report of a start', () => {
  it('is sent before the command runs when the task may take longer than a minute', async () => {
    const agent = new AgentHarness();
    await agent.send({ code: shell('echo 1'), timeoutSeconds: 61 });

    await agent.run();

    expect(agent.taskEvents).toMatchObject([
      { kind: 'started', receiptHandle: expect.any(String), receiveCount: 1 },
      { kind: 'completed' },
    ]);
  });

  it('travels with the outcome when the task is short', async () => {
    const agent = new AgentHarness();
    await agent.send({ code: shell('echo 1'), timeoutSeconds: 60 });

    await agent.run();

    expect(agent.taskEvents.map((event) => event.kind)).toEqual(['completed']);
  });

  it('is sent for every redelivery, before it can do harm again', async () => {
    const agent = new AgentHarness();
    const { code, isRunning } = longCommand();
    await agent.send({ code, timeoutSeconds: 30 });
    const [lost] = agent.queues.normal.queue.receive(1, 60);
    agent.queues.normal.queue.changeVisibility(lost?.receiptHandle ?? '', 0);
    const running = agent.run();

    await isRunning();

    expect(agent.taskEvents).toMatchObject([{ kind: 'started', receiveCount: 2 }]);
    agent.lifecycle.interrupt('test', 'interrupted');
    await running;
  });
});

describe('a lease', () => {
  it('covers setup, timeout and grace at first (lesson 8), and no setup once the commit is prepared', async () => {
    const agent = new AgentHarness({ slots: 1, setupSeconds: 600, leaseGraceSeconds: 60 });
    await agent.send(...tasks(2, { code: shell('echo 1'), timeoutSeconds: 40 }));

    await agent.run();

    const { receives, leaseChanges } = agent.queues.normal;
    // Before any task is known, one of 300 s is expected.
    expect(receives[0]?.leaseSeconds).toBe(600 + 300 + 60);
    expect(leaseChanges).toEqual([{ leases: 1, seconds: 600 + 40 + 60 }]);
    // A third more, because now that tasks are known to be short some may wait for their turn.
    expect(receives[1]?.leaseSeconds).toBe(Math.ceil(((40 + 60) * 4) / 3));
  });
});

describe('a lease that cannot be made long enough', () => {
  it('is no lease: the task would run twice at a time (lesson 8)', async () => {
    const agent = new AgentHarness({ slots: 1 });
    agent.queues.normal.changeLease = () => Promise.reject(new PermanentError('no'));
    const mark = join(temporaryFolder(), 'ran');
    // Longer than what is asked for before any task is known.
    await agent.send({ code: shell(`touch ${mark}`), timeoutSeconds: 1_800 });

    expect(await agent.run()).toBe('idle');

    expect(existsSync(mark)).toBe(false);
    expect(agent.taskEvents).toEqual([]);
    // It comes back when the lease ends that it has.
    expect(agent.depth).toEqual({ visible: 0, inFlight: 1, delayed: 0 });
  });

  it('stands as it is if it is longer than it need be', async () => {
    const agent = new AgentHarness({ slots: 1 });
    agent.queues.normal.changeLease = () => Promise.reject(new PermanentError('no'));
    await agent.send({ code: shell('echo 1'), timeoutSeconds: 30 });

    await agent.run();

    expect(agent.eventOf('completed')).toBeDefined();
    expect(agent.depth).toEqual(done);
  });
});

describe('a machine on which the tasks of several jobs die', () => {
  it('quarantines itself, says why, and gives back what it has not started', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 60 });
    const code = shell('kill -KILL $$');
    const other = jobIdFactory(2);
    await agent.send({ taskId: taskIdFactory(0), code, timeoutSeconds: 30 });
    await agent.send({ taskId: taskIdFactory(0, other), jobId: other, code, timeoutSeconds: 30 });
    await agent.send(...tasks(3, { code, timeoutSeconds: 30 }).slice(1));

    const reason = await agent.run();

    expect(reason).toBe('quarantined: 3 tasks of 2 jobs died in a row; the last: was ended by signal SIGKILL');
    expect(agent.instanceReports.map(({ state }) => state)).toEqual(['READY', 'DRAINING', 'TERMINATED']);
    expect(agent.instanceReports.at(1)).toMatchObject({ reason });
    expect(agent.taskEvents.map(({ kind }) => kind)).toEqual(['failed', 'failed', 'failed']);
    expect(agent.depth).toEqual(untouched);
  });
});

describe('a machine that is taken back', () => {
  it('takes nothing new, releases what it started, and reports that it was interrupted', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 60 });
    const { code, isRunning } = longCommand();
    await agent.send(...tasks(2, { code, timeoutSeconds: 30 }));
    const running = agent.run();
    await isRunning();

    agent.lifecycle.takeBack('spot interruption: test', 120);

    expect(await running).toBe('spot interruption: test');
    expect(agent.taskEvents).toMatchObject([{ kind: 'released', cause: 'interrupted', taskId: taskIdFactory(0) }]);
    expect(agent.depth).toEqual(untouched);
    expect(agent.instanceReports.map(({ state }) => state)).toEqual(['READY', 'DRAINING', 'INTERRUPTED']);
  });
});

describe('preparation that fails', () => {
  it('releases the task with the reason, and ends the machine after three in a row', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 5 });
    const code = (index: number) => shell('echo 1', `echo cannot install ${index} >&2; exit 1`);
    await agent.send(...tasks(4, {}).map((task, index) => ({ ...task, code: code(index) })));

    const reason = await agent.run();

    expect(reason).toBe('preparation failed 3 times in a row');
    const events = agent.taskEvents;
    expect(events).toHaveLength(3);
    expect(events[0]).toMatchObject({
      kind: 'released',
      cause: 'machine',
      reason: 'setup failed with exit code 1: cannot install 0',
      seconds: 0,
    });
    expect(agent.depth).toEqual(untouched);
  });

  it('of one commit leaves the others alone', async () => {
    const agent = new AgentHarness({ slots: 2 });
    const bad = { ...shell('echo 1'), commit: COMMIT };
    await agent.send({ taskId: taskIdFactory(0), code: bad }, { taskId: taskIdFactory(1), code: shell('echo 1') });

    expect(await agent.run()).toBe('idle');
    expect(agent.eventOf('completed')).toMatchObject({ taskId: taskIdFactory(1) });
    expect(agent.eventOf('released')).toMatchObject({ taskId: taskIdFactory(0), cause: 'machine' });
  });
});

describe('a report that cannot be published', () => {
  it('leaves the message on the queue, and keeps the machine from taking more', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 60 });
    await agent.send(...tasks(60, { code: shell('sleep 0.25; echo 1'), timeoutSeconds: 30 }));
    let down = false;
    agent.beforePublish = (events) => {
      down ||= events.some((event) => event.kind === 'completed');
      if (down) throw new TransientError('down');
    };

    const running = agent.run();
    await until(() => down, 'an outcome is tried');
    const leased = agent.depth.inFlight;
    await until(
      () => agent.logLines.filter((line) => line.includes('could not be published')).length >= 3,
      'more tries',
    );
    // At most the call that was in flight when the trouble began has brought more.
    expect(agent.depth.inFlight).toBeLessThanOrEqual(leased + 10);
    expect(agent.depth.visible).toBeGreaterThan(0);
    expect(agent.queues.normal.acknowledged).toEqual([]);

    agent.beforePublish = () => undefined;
    await agent.whenPublished('completed', 5);
    agent.lifecycle.drain('test');
    await running;
    expect(agent.depth).toMatchObject({ inFlight: 0, delayed: 0 });
  });

  it('for as long as a machine may idle ends it, for it is of no use', async () => {
    const agent = new AgentHarness({ idleSeconds: 0.5 });
    agent.beforePublish = (events) => {
      const isDown = events.some((event) => event.kind !== 'instance') || agent.instanceReports.length > 0;
      if (isDown && agent.lifecycle.reason === null) throw new TransientError('down');
    };
    await agent.send({ code: shell('echo 1'), timeoutSeconds: 30 });

    expect(await agent.run()).toBe('the status channel cannot be reached');
  });
});

describe('a cancelled job', () => {
  const cancel = (agent: AgentHarness): Promise<void> =>
    agent.control.update('default', (document) => withCancelledJob(document, jobIdFactory(), new Date()));

  it('is not started: its message is done with', async () => {
    const agent = new AgentHarness();
    await cancel(agent);
    const mark = join(temporaryFolder(), 'ran');
    await agent.send({ code: shell(`touch ${mark}`) });

    await agent.run();

    expect(agent.taskEvents).toMatchObject([{ kind: 'released', cause: 'cancelled', seconds: 0 }]);
    expect(agent.depth).toEqual(done);
    expect(existsSync(mark)).toBe(false);
  });

  it('is stopped where it runs, also a command that ignores SIGTERM', async () => {
    const agent = new AgentHarness({ graceSeconds: 0.2 });
    const { code, isRunning } = longCommand('');
    const other = { taskId: taskIdFactory(0, jobIdFactory(2)), jobId: jobIdFactory(2) };
    await agent.send({ code, timeoutSeconds: 30 }, { ...other, code: shell('sleep 1; echo 1'), timeoutSeconds: 30 });
    const running = agent.run();
    await isRunning();

    await cancel(agent);
    await running;

    expect(agent.eventOf('released')).toMatchObject({ cause: 'cancelled', jobId: jobIdFactory() });
    expect(agent.eventOf('completed')).toMatchObject({ jobId: jobIdFactory(2) });
    expect(agent.depth).toEqual(done);
  });
});

describe('a paused job', () => {
  it('has nothing started: its messages go back, out of the way for a while, and the machine goes idle', async () => {
    const agent = new AgentHarness({ idleSeconds: 1 });
    await agent.control.update('default', (document) => withPausedJob(document, jobIdFactory(), new Date()));
    await agent.send(...tasks(3, { code: shell('echo 1'), timeoutSeconds: 30 }));

    expect(await agent.run()).toBe('idle');

    expect(agent.taskEvents).toEqual([]);
    expect(agent.depth).toMatchObject({ visible: 0, inFlight: 3 });
  });

  it('has what runs finish, and what waits for its turn go back', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 1 });
    const gate = join(temporaryFolder(), 'gate');
    const code = shell(`read input; test "$input" = 0 || while [ ! -e ${gate} ]; do sleep 0.02; done; echo 1`);
    await agent.send(...tasks(3, { code, timeoutSeconds: 30 }).map((task, index) => ({ ...task, input: index })));
    const running = agent.run();
    await until(() => agent.depth.inFlight === 2 && agent.taskEvents.length === 1, 'one runs, one waits');

    await agent.control.update('default', (document) => withPausedJob(document, jobIdFactory(), new Date()));
    const read = agent.control.read.bind(agent.control);
    let reads = 0;
    agent.control.read = async (...asked) => {
      reads += 1;
      return read(...asked);
    };
    // The second read begins when what the first one said is done.
    await until(() => reads >= 2, 'the machine knows');
    writeFileSync(gate, '');
    await running;

    expect(agent.taskEvents.map(({ kind }) => kind)).toEqual(['completed', 'completed']);
    expect(agent.depth).toMatchObject({ visible: 0, inFlight: 1 });
  });
});

describe('a cancelled task', () => {
  const cancel = (agent: AgentHarness, index: number): Promise<void> =>
    agent.control.update('default', (document) => withCancelledTask(document, taskIdFactory(index), new Date()));

  it('is not started, and its neighbours are', async () => {
    const agent = new AgentHarness();
    await cancel(agent, 1);
    await agent.send(...tasks(3, { code: shell('echo 1'), timeoutSeconds: 30 }));

    await agent.run();

    const ends = agent.taskEvents.map(({ taskId, kind }) => [taskId, kind]).sort();
    expect(ends).toEqual([
      [taskIdFactory(0), 'completed'],
      [taskIdFactory(1), 'released'],
      [taskIdFactory(2), 'completed'],
    ]);
    expect(agent.eventOf('released')).toMatchObject({ cause: 'cancelled', seconds: 0 });
    expect(agent.depth).toEqual(done);
  });

  it('that waits for its turn never gets it', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 1 });
    const gate = join(temporaryFolder(), 'gate');
    const code = shell(`read input; test "$input" = 0 || while [ ! -e ${gate} ]; do sleep 0.02; done; echo 1`);
    const short = { code, timeoutSeconds: 30 };
    // The first one is measured; behind the second one the third waits.
    await agent.send(...tasks(3, short).map((task, index) => ({ ...task, input: index })));
    const running = agent.run();
    await until(() => agent.depth.inFlight === 2 && agent.taskEvents.length === 1, 'one runs, one waits');

    await cancel(agent, 2);
    await agent.whenPublished('released');
    writeFileSync(gate, '');
    await running;

    expect(agent.eventOf('released')).toMatchObject({ taskId: taskIdFactory(2), cause: 'cancelled', seconds: 0 });
    expect(agent.depth).toEqual(done);
  });

  it('is over within 30 s, whatever it does about SIGTERM and whenever the document was last read', async () => {
    // A tenth of what a machine has.
    const { controlSeconds, cancelGraceSeconds, graceSeconds } = parseAgentConfig(ENVIRONMENT);
    const agent = new AgentHarness({
      controlSeconds: controlSeconds / 10,
      cancelGraceSeconds: cancelGraceSeconds / 10,
      graceSeconds: graceSeconds / 10,
    });
    const { code, isRunning } = longCommand('');
    const read = agent.control.read.bind(agent.control);
    let reads = 0;
    agent.control.read = (...asked) => {
      reads += 1;
      return read(...asked);
    };
    await agent.send({ code, timeoutSeconds: 60 });
    const running = agent.run();
    await isRunning();
    const before = reads;
    await until(() => reads > before, 'the document is read');

    // The worst moment: it was read just now.
    const asked = performance.now();
    await cancel(agent, 0);
    await agent.whenPublished('released');

    expect(performance.now() - asked).toBeLessThan(3_000);
    await running;
    expect(agent.eventOf('released')).toMatchObject({ cause: 'cancelled' });
  });
});

describe('a drained machine', () => {
  it('lets what runs come to its end and takes nothing new', async () => {
    const agent = new AgentHarness({ slots: 1, idleSeconds: 60 });
    const mark = join(temporaryFolder(), 'running');
    const code = shell(`echo > ${mark}; sleep 0.5; echo 1`);
    await agent.send(...tasks(2, { code, timeoutSeconds: 30 }));
    const running = agent.run();
    await until(() => existsSync(mark), 'the first task runs');

    await agent.control.update('default', (document) => ({ ...document, drainingInstances: ['i-1'] }));

    expect(await running).toBe('drained by the control plane');
    expect(agent.taskEvents.map((event) => event.kind)).toEqual(['completed']);
    expect(agent.depth).toEqual(untouched);
  });

  it('gives back what it gets while it drains', async () => {
    const agent = new AgentHarness({ idleSeconds: 60 });
    await agent.control.update('default', (document) => ({ ...document, drainingInstances: ['i-1'] }));
    await agent.send({ code: shell('echo 1') });

    expect(await agent.run()).toBe('drained by the control plane');
    expect(agent.taskEvents).toEqual([]);
    expect(agent.depth).toEqual(untouched);
  });
});

describe('SIGTERM', () => {
  it('releases what was started, gives back what was not (lesson 34), and says goodbye', async () => {
    const agent = new AgentHarness({ slots: 2, idleSeconds: 60 });
    const { code, isRunning } = longCommand();
    const marker = `preparing-${process.pid}`;
    const preparing = shell('echo 1', `sh -c 'sleep 60; :' ${marker}`);
    await agent.send({ code, timeoutSeconds: 30 });
    await agent.send({ taskId: taskIdFactory(1), code: preparing, timeoutSeconds: 30 });
    const running = agent.run();
    await isRunning();
    await until(() => runningWith(marker).length > 0, 'the other is prepared');

    agent.lifecycle.onSignal('SIGTERM');

    expect(await running).toBe('SIGTERM');
    expect(agent.taskEvents).toMatchObject([{ kind: 'released', cause: 'interrupted', taskId: taskIdFactory(0) }]);
    expect(agent.depth).toEqual(untouched);
    expect(agent.published.at(-1)).toMatchObject({ state: 'TERMINATED', reason: 'SIGTERM' });
    await until(() => runningWith(marker).length === 0, 'the preparation is gone');
  });

  it('counts the outcome of a command that finishes in the grace', async () => {
    const agent = new AgentHarness({ graceSeconds: 10 });
    const { code, isRunning } = longCommand('echo 42; exit 0');
    await agent.send({ code, timeoutSeconds: 30 });
    const running = agent.run();
    await isRunning();

    agent.lifecycle.onSignal('SIGTERM');
    await running;

    expect(agent.taskEvents).toMatchObject([{ kind: 'completed', result: { json: '42' } }]);
    expect(agent.depth).toEqual(done);
  });

  it('waits for the poll in flight and gives back what it brings (lesson 48)', async () => {
    const agent = new AgentHarness({ idleSeconds: 60, pollSeconds: 5 });
    const running = agent.run();
    const polls = agent.queues.normal;
    await until(() => polls.receives.some((call) => call.waitSeconds === 5) && polls.pollsInFlight > 0, 'a long poll');

    agent.lifecycle.onSignal('SIGTERM');
    await agent.send({ code: shell('echo 1') });

    expect(await running).toBe('SIGTERM');
    expect(agent.taskEvents).toEqual([]);
    expect(agent.queues.normal.leaseChanges).toEqual([{ leases: 1, seconds: 0 }]);
    expect(agent.depth).toEqual(untouched);
  });

  it('gives a command the time to leave a checkpoint, which the release names', async () => {
    const agent = new AgentHarness({ graceSeconds: 10 });
    const { code, isRunning } = longCommand('echo 7 > $SHOAL_CHECKPOINT_FILE; exit 75');
    await agent.send({ code, timeoutSeconds: 30 });
    const running = agent.run();
    await isRunning();

    agent.lifecycle.onSignal('SIGTERM');
    await running;

    const { leaseId } = agent.eventOf('released') ?? {};
    const blob = `jobs/${jobIdFactory()}/checkpoints/${taskIdFactory(0)}/1-${leaseId}`;
    expect(agent.eventOf('released')).toMatchObject({ cause: 'interrupted', checkpoint: { blob, bytes: 2 } });
    expect(new TextDecoder().decode(await agent.blobs.get(blob))).toBe('7\n');
    expect(agent.depth).toEqual(done);
  });

  it('a second time kills at once', async () => {
    const agent = new AgentHarness({ graceSeconds: 600 });
    const { code, isRunning } = longCommand('');
    await agent.send({ code, timeoutSeconds: 30 });
    const running = agent.run();
    await isRunning();

    agent.lifecycle.onSignal('SIGTERM');
    // The same signal, forwarded by bootstrap.sh, is no second one.
    agent.lifecycle.onSignal('SIGTERM');
    expect(agent.lifecycle.killing.aborted).toBe(false);
    await until(() => {
      agent.lifecycle.onSignal('SIGTERM');
      return agent.lifecycle.killing.aborted;
    }, 'a later signal kills');
    await running;

    expect(agent.taskEvents).toMatchObject([{ kind: 'released', cause: 'interrupted' }]);
    expect(agent.depth).toEqual(done);
  });
});

describe('the lifetime', () => {
  it('is no reason to start what it could cut: such a task goes back', async () => {
    const agent = new AgentHarness({
      slots: 1,
      maxLifetimeSeconds: 30,
      setupSeconds: 5,
      leaseGraceSeconds: 1,
      idleSeconds: 60,
    });
    const code = shell('echo 1');
    await agent.send({ taskId: taskIdFactory(0), code, timeoutSeconds: 1 });
    await agent.send({ taskId: taskIdFactory(1), code, timeoutSeconds: 29 });

    expect(await agent.run()).toBe('lifetime');
    expect(agent.taskEvents.map((event) => event.taskId)).toEqual([taskIdFactory(0)]);
    expect(agent.depth).toEqual(untouched);
  });

  it('that no machine of the fleet has is said so, and counts as a release', async () => {
    const agent = new AgentHarness({ maxLifetimeSeconds: 100 });
    await agent.send({ code: shell('echo 1'), timeoutSeconds: 200 });

    expect(await agent.run()).toBe('idle');
    expect(agent.taskEvents).toMatchObject([
      { kind: 'released', cause: 'machine', reason: expect.stringContaining('lives for 100 s') },
    ]);
  });

  it('ends a machine that has nothing to do, and a task that outstays it', async () => {
    const agent = new AgentHarness({
      maxLifetimeSeconds: 2,
      graceSeconds: 0.5,
      leaseGraceSeconds: 0,
      setupSeconds: 0.9,
      idleSeconds: 60,
    });
    const { code, isRunning } = longCommand();
    await agent.send({ code, timeoutSeconds: 1.5 });
    const running = agent.run();
    await isRunning();

    expect(await running).toBe('lifetime');
    expect(agent.taskEvents).toMatchObject([{ kind: 'released', cause: 'draining' }]);
  });
});
