import { expect, it } from 'vitest';
import { counted } from './counted.ts';

it.each([
  [0, '0 tasks', '0 tasks wait'],
  [1, '1 task', '1 task waits'],
  [24, '24 tasks', '24 tasks wait'],
])('counts %d in words that agree', (count, alone, withVerb) => {
  expect(counted(count, 'task')).toBe(alone);
  expect(counted(count, 'task waits', 'tasks wait')).toBe(withVerb);
});
