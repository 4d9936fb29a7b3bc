/** `GET /v1/jobs/{jobId}/tasks`, `…/results`, `GET /v1/tasks/{taskId}` and `…/logs`. */
import { z } from 'zod';
import { chunked } from '../../adapters/in-parallel.ts';
import { NotFoundError } from '../../core/errors.ts';
import { taskIdOf } from '../../core/ids.ts';
import type { BlobLinks, BlobStore, JobStore, TaskStore } from '../../core/ports.ts';
import { isTerminal, type TaskRecord, taskStatusSchema } from '../../core/task.ts';
import { taskAsSeen } from '../../core/task-as-seen.ts';
import type { Route } from '../http/api-handler.ts';
import { jobIdOf, taskPositionOf } from '../http/path-parameters.ts';
import { cursorParameter, limitParameter, readQuery } from '../http/query-parameters.ts';
import { progressOf } from './jobs.ts';
import { taskKeys } from './task-keys.ts';
import { logText } from './task-log.ts';
import { taskPage } from './task-pages.ts';
import { resultOf, taskFacts, taskView } from './task-view.ts';

/**
 * An answer must fit Lambda's 6 MB, and its body is sent as a JSON string: every quote and backslash in it becomes two
 * characters. A page is measured as it is sent; what does not fit is on the next one.
 */
const MAX_PAGE_BYTES = 4_000_000;
const RESULTS_AT_ONCE = 16;
const MAX_RESULT_BYTES = 1_000_000;

const bytesAsSent = (body: string): number => Buffer.byteLength(JSON.stringify(body));

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

    'GET /v1/jobs/{jobId}/results': async (request) => {
      const jobId = jobIdOf(request);
      const { limit, cursor } = readQuery(request, { limit: limitParameter(1_000, 1_000), cursor: cursorParameter });
      const { job } = await progressOf(ports.jobs, jobId);
      const page = await taskPage(job, ports.tasks, { limit, fromIndex: cursor });
      const ended = page.items.filter((task) => isTerminal(task.status));
      const keys = await taskKeys(
        job,
        ended.map((task) => task.index),
        ports.blobs,
      );

      const lines: string[] = [];
      let bytes = 0;
      let next = page.cursor;
      for await (const { task, result, resultRef, resultUrl } of withResults(ended, ports)) {
        const { jobId: _jobId, startedAt: _startedAt, dueAt: _dueAt, ...view } = taskView(task, keys.get(task.index));
        const line = `${JSON.stringify({ ...view, result, ...(resultRef ? { resultRef, resultUrl } : {}) })}\n`;
        const size = bytesAsSent(line);
        if (bytes > 0 && bytes + size > MAX_PAGE_BYTES) {
          next = String(task.index);
          break;
        }
        lines.push(line);
        bytes += size;
      }
      const link = next ? { link: `</v1/jobs/${jobId}/results?limit=${limit}&cursor=${next}>; rel="next"` } : {};
      return { status: 200, body: lines.join(''), headers: { 'content-type': 'application/x-ndjson', ...link } };
    },

    'GET /v1/tasks/{taskId}': async (request) => {
      const { jobId, index } = taskPositionOf(request);
      const { job } = await progressOf(ports.jobs, jobId);
      if (index >= job.taskCount) throw new NotFoundError('there is no such task');
      const rows = await ports.tasks.getMany([taskIdOf(jobId, index)]);
      const task = taskAsSeen(job, index, rows.get(taskIdOf(jobId, index)));
      const keys = await taskKeys(job, [index], ports.blobs);
      const result = await resultOf(task, MAX_RESULT_BYTES, ports);
      return { status: 200, body: { ...taskView(task, keys.get(index)), ...result, ...taskFacts(task) } };
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

/** Tasks with their results, in order; some are read ahead, so that a page of blobs does not take a page of round trips. */
async function* withResults(tasks: readonly TaskRecord[], ports: Pick<ResultPorts, 'blobs' | 'links'>) {
  for (const group of chunked(tasks, RESULTS_AT_ONCE)) {
    yield* await Promise.all(group.map(async (task) => ({ task, ...(await resultOf(task, MAX_RESULT_BYTES, ports)) })));
  }
}
