/** What the simulator assumes of the stack is what the stack says, and its reference tells today's mutants. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { taskQueueResources } from '../../resources/task-queues.ts';
import {
  DEAD_LETTER_VISIBILITY_SECONDS,
  DELAYED_VISIBILITY_SECONDS,
  STATUS_VISIBILITY_SECONDS,
} from './event-source.ts';
import { TIMEOUT_SECONDS } from './lambdas.ts';
import { MUTANTS } from './mutants.ts';
import { STATUS_RECEIVES, TASK_RECEIVES } from './queues.ts';
import { readDefinition } from './state-machine.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
// Tags of CloudFormation and variables of the framework are left as text.
const yaml = (path: string) => parse(read(path), { logLevel: 'silent' });

describe('the simulated stack', () => {
  const queues = yaml('resources/queues.yml').Resources;

  it.each([
    ['StatusQueue', STATUS_VISIBILITY_SECONDS],
    ['DelayedQueue', DELAYED_VISIBILITY_SECONDS],
    ['DeadLetterQueue', DEAD_LETTER_VISIBILITY_SECONDS],
  ])('hides messages of the %s as long as the real one', (name, seconds) => {
    expect(queues[name].Properties.VisibilityTimeout).toBe(seconds);
  });

  it('gives up messages after as many receives', () => {
    expect(queues.StatusQueue.Properties.RedrivePolicy.maxReceiveCount).toBe(STATUS_RECEIVES);
    const { TaskQueueDefaultNormal: queue } = taskQueueResources(['default'], 'test');
    expect(queue?.Properties['RedrivePolicy']).toMatchObject({ maxReceiveCount: TASK_RECEIVES });
  });

  it.each(Object.entries(TIMEOUT_SECONDS))('times out %s after %d s', (name, seconds) => {
    const { functions, provider } = yaml('serverless.yml');
    expect(functions[name].timeout ?? provider.timeout).toBe(seconds);
  });

  it('understands the whole state machine', () => {
    expect(Object.keys(readDefinition().States)).toContain('AwaitCompletion');
  });
});

it('the reference names every mutant and its recorded seed', () => {
  const rows = [...read('docs/reference/simulation.md').matchAll(/^\| ([a-z ]+) \| (\d+) \|/gm)];

  expect(rows.map(([, name, seed]) => ({ name, seed: Number(seed) }))).toEqual(
    MUTANTS.map(({ name, seed }) => ({ name, seed })),
  );
});
