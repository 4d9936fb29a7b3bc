import { describe, expect, it } from 'vitest';
import { completedEvent, failedEvent, instanceEvent, releasedEvent, startedEvent } from '../test/factories/events.ts';
import { taskMessageFactory } from '../test/factories/task-message.ts';
import { statusMessageSchema, taskMessageSchema } from './messages.ts';

const events = [startedEvent(), completedEvent(), failedEvent(), releasedEvent(), instanceEvent()];

describe('a status message', () => {
  it('carries events of every kind', () => {
    const message = { v: 1, source: 'i-1', events };

    expect(statusMessageSchema.parse(JSON.parse(JSON.stringify(message)))).toEqual(message);
  });

  it('may have fields that this version does not know, so that versions can roll', () => {
    const message = { v: 1, source: 'i-1', events: [{ ...startedEvent(), colour: 'red' }], extra: true };

    expect(statusMessageSchema.parse(message)).toEqual({ v: 1, source: 'i-1', events: [startedEvent()] });
  });

  it.each<[string, unknown]>([
    ['another version', { v: 2, source: 'i-1', events }],
    ['no events', { v: 1, source: 'i-1', events: [] }],
    ['an event of unknown kind', { v: 1, source: 'i-1', events: [{ ...startedEvent(), kind: 'exploded' }] }],
    ['attempt zero', { v: 1, source: 'i-1', events: [startedEvent({ attempt: 0 })] }],
    ['no lease', { v: 1, source: 'i-1', events: [startedEvent({ leaseId: '' })] }],
    ['a time that is none', { v: 1, source: 'i-1', events: [startedEvent({ at: 'yesterday' })] }],
    ['negative seconds', { v: 1, source: 'i-1', events: [completedEvent({ seconds: -1 })] }],
    ['more seconds than any lease has', { v: 1, source: 'i-1', events: [completedEvent({ seconds: 1e300 })] }],
  ])('with %s is refused', (_what, message) => {
    expect(statusMessageSchema.safeParse(message).success).toBe(false);
  });
});

describe('a task message', () => {
  it('carries its input, or says where it lies, but not both and not neither', () => {
    const { input: _input, ...bare } = taskMessageFactory();
    const inputRef = { blob: 'jobs/x/inputs/0.jsonl', line: 3 };

    expect(taskMessageSchema.safeParse({ ...bare, input: null }).success).toBe(true);
    expect(taskMessageSchema.safeParse({ ...bare, inputRef }).success).toBe(true);
    expect(taskMessageSchema.safeParse(bare).success).toBe(false);
    expect(taskMessageSchema.safeParse({ ...bare, input: 1, inputRef }).success).toBe(false);
  });
});
