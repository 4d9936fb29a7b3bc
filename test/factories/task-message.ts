import type { TaskMessage } from '../../core/messages.ts';
import { COMMIT, jobIdFactory, taskIdFactory } from './ids.ts';

/** The first attempt of the first task, its input inline. */
export const taskMessageFactory = (overrides: Partial<TaskMessage> = {}): TaskMessage => ({
  v: 1,
  jobId: jobIdFactory(),
  taskId: taskIdFactory(),
  attempt: 1,
  fleet: 'default',
  priority: 'normal',
  input: { text: 'to be or not to be' },
  code: {
    repository: 'https://github.com/acme/word-count',
    commit: COMMIT,
    setup: null,
    run: ['node', 'count.js'],
    env: {},
    credential: null,
    submodules: false,
    setupTimeoutSeconds: 600,
    protocol: 'process',
  },
  timeoutSeconds: 300,
  ...overrides,
});
