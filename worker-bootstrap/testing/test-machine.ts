import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { StatusEvent, TaskMessage } from '../../core/messages.ts';
import { taskMessageFactory } from '../../test/factories/task-message.ts';
import { buildAgent } from '../build.ts';

export const BOOTSTRAP = fileURLToPath(new URL('../bootstrap.sh', import.meta.url));

/** What a machine needs to boot the test's agent (`file-agent.ts`), and what that reported. */
export interface TestMachine {
  readonly environment: Readonly<Record<string, string>>;
  events(): StatusEvent[];
}

/** Bundles the test's agent into a folder, with tasks for it. */
export async function testMachine(folder: string, tasks: readonly Partial<TaskMessage>[]): Promise<TestMachine> {
  const entry = fileURLToPath(new URL('file-agent.ts', import.meta.url));
  const agent = await buildAgent(join(folder, 'test agent.mjs'), entry);
  const tasksFile = join(folder, 'tasks.json');
  const eventsFile = join(folder, 'events.jsonl');
  writeFileSync(tasksFile, JSON.stringify(tasks.map((task) => taskMessageFactory(task))));
  const environment = {
    SHOAL_NODE: process.execPath,
    SHOAL_AGENT_URL: pathToFileURL(agent.path).href,
    SHOAL_AGENT_SHA256: agent.sha256,
    SHOAL_STAGE: 'test',
    SHOAL_FLEET: 'default',
    SHOAL_INSTANCE_ID: 'i-1',
    SHOAL_SLOTS: '1',
    SHOAL_IDLE_SECONDS: '0.2',
    SHOAL_MAX_LIFETIME_SECONDS: '3600',
    SHOAL_GRACE_SECONDS: '1',
    SHOAL_QUEUE_URL_PREFIX: 'http://localhost/',
    SHOAL_STATUS_QUEUE_URL: 'http://localhost/status',
    SHOAL_BUCKET: 'bucket',
    SHOAL_TEST_TASKS: tasksFile,
    SHOAL_TEST_EVENTS: eventsFile,
  };
  const lines = (): string[] => (existsSync(eventsFile) ? readFileSync(eventsFile, 'utf8').trim().split('\n') : []);
  // Written by the test's own agent in this very shape.
  return { environment, events: () => lines().map((line) => JSON.parse(line) as StatusEvent) };
}
