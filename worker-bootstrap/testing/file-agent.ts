/** The real agent on queues in its own memory, as a program: for tests of what surrounds it. */
import { appendFileSync, readFileSync } from 'node:fs';
import type { Priority } from '../../core/ids.ts';
import type { StatusEvent, TaskMessage } from '../../core/messages.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryControlChannel } from '../../test/fakes/in-memory-control-channel.ts';
import { NO_CREDENTIALS } from '../../test/fakes/no-credentials.ts';
import { runAgent } from '../agent/agent.ts';
import { systemClock } from '../agent/clock.ts';
import { parseAgentConfig } from '../agent/config.ts';
import { Lifecycle } from '../agent/lifecycle.ts';
import { createJsonLog } from '../agent/log.ts';
import { runAsProgram } from '../agent/run-as-program.ts';
import { readTestSettings } from './config.ts';
import { WaitingTaskQueue } from './waiting-task-queue.ts';

void runAsProgram(async () => {
  const config = parseAgentConfig();
  const { tasksFile, eventsFile } = readTestSettings();
  const queues = { high: new WaitingTaskQueue(), normal: new WaitingTaskQueue(), low: new WaitingTaskQueue() };
  // Written by the test in this very shape.
  const tasks = JSON.parse(readFileSync(tasksFile, 'utf8')) as TaskMessage[];
  await queues.normal.send(tasks);
  const publish = async (events: readonly StatusEvent[]): Promise<void> =>
    appendFileSync(eventsFile, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  const clock = systemClock;
  const lifecycle = new Lifecycle();
  const finished = runAgent(
    config,
    {
      queues: (_: string, priority: Priority) => queues[priority],
      status: { publish },
      control: new InMemoryControlChannel(),
      blobs: new InMemoryBlobStore(),
      credentials: NO_CREDENTIALS,
      clock,
      random: Math.random,
      log: createJsonLog((line) => process.stdout.write(line), clock, {}),
    },
    lifecycle,
  );
  return { lifecycle, finished };
});
