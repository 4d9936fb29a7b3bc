/** `GET /v1/jobs/{jobId}/tasks`, `GET /v1/tasks/{taskId}` and `…/logs`. */
import { z } from 'zod';
import { NotFoundError } from '../../core/errors.ts';
import { taskIdOf } from '../../core/ids.ts';
import type { BlobLinks, BlobStore, JobStore, TaskStore } from '../../core/ports.ts';
import { taskStatusSchema } from '../../core/task.ts';
import { taskAsSeen } from '../../core/task-as-seen.ts';
import type { Route } from '../http/api-handler.ts';
import { jobIdOf, taskPositionOf } from '../http/path-parameters.ts';
import { cursorParameter, limitParameter, readQuery } from '../http/query-parameters.ts';
import { readOrigins } from '../task-origins.ts';
import { progressOf } from './jobs.ts';
import { taskKeys } from './task-keys.ts';
import { logText } from './task-log.ts';
import { taskPage } from './task-pages.ts';
import { resultOf, taskFacts, taskView } from './task-view.ts';

const MAX_RESULT_BYTES = 1_000_000;

const attemptParameter = z
  .string()
  .regex(/^[1-9]\d{0,4}$/, 'must be the number of an attempt, from 1')
  .transform(Number)
  .optional();

export interface TaskPorts {
  readonly jobs: JobStore;
  readonly tasks: TaskStore;
  readonly blobs: BlobStore;
}

export interface ResultPorts extends TaskPorts {
  readonly links: BlobLinks;
}

export function taskRoutes(ports: ResultPorts): Record<string, Route> {
  return {
    'GET /v1/jobs/{jobId}/tasks': async (request) => {
      const { status, limit, cursor } = readQuery(request, {
        status: taskStatusSchema.optional(),
        limit: limitParameter(1_000, 100),
        cursor: cursorParameter,
      });
      const { job } = await progressOf(ports.jobs, jobIdOf(request));
      const page = await taskPage(job, ports.tasks, { status, limit, fromIndex: cursor });
      const keys = await taskKeys(
        job,
        page.items.map((task) => task.index),
        ports.blobs,
      );
      const tasks = page.items.map((task) => taskView(task, keys.get(task.index)));
      return { status: 200, body: { tasks, cursor: page.cursor ?? null } };
    },

    'GET /v1/tasks/{taskId}': async (request) => {
      const { jobId, index } = taskPositionOf(request);
      const { job } = await progressOf(ports.jobs, jobId);
      if (index >= job.taskCount) throw new NotFoundError('there is no such task');
      const rows = await ports.tasks.getMany([taskIdOf(jobId, index)]);
      const task = taskAsSeen(job, index, rows.get(taskIdOf(jobId, index)));
      const keys = await taskKeys(job, [index], ports.blobs);
      const result = await resultOf(task, MAX_RESULT_BYTES, ports);
      const origin = (await readOrigins(job, ports.blobs))?.[index];
      const retryOf = job.rootJobId !== null && origin !== undefined ? taskIdOf(job.rootJobId, origin) : null;
      return { status: 200, body: { ...taskView(task, keys.get(index)), ...result, ...taskFacts(task), retryOf } };
    },

    'GET /v1/tasks/{taskId}/logs': async (request) => {
      const { jobId, index } = taskPositionOf(request);
      const { attempt } = readQuery(request, { attempt: attemptParameter });
      const { job } = await progressOf(ports.jobs, jobId);
      if (index >= job.taskCount) throw new NotFoundError('there is no such task');
      const rows = await ports.tasks.getMany([taskIdOf(jobId, index)]);
      const text = await logText(rows.get(taskIdOf(jobId, index)), attempt, ports.blobs);
      return { status: 200, body: text, headers: { 'content-type': 'text/plain; charset=utf-8' } };
    },
  };
}
