/** `GET /v1/jobs/{jobId}/failures`: what failed, grouped by cause; with `group` the tasks of one group. */
import { z } from 'zod';
import { FailureGroups, failureGroupId, isFailureGroupId } from '../../core/failure-groups.ts';
import type { Job } from '../../core/job.ts';
import type { TaskRecord } from '../../core/task.ts';
import { failedTasks } from '../failed-tasks.ts';
import type { Route } from '../http/api-handler.ts';
import { jobIdOf } from '../http/path-parameters.ts';
import { cursorParameter, limitParameter, readQuery } from '../http/query-parameters.ts';
import { progressOf } from './jobs.ts';
import { taskKeys } from './task-keys.ts';
import { taskView } from './task-view.ts';
import type { TaskPorts } from './tasks.ts';

/** A row with its stderr takes some KB: so many are read for one answer. */
export const MAX_FAILURES_READ = 5_000;
/** More causes than this are no overview any more; what is left out is counted. */
const MAX_GROUPS_TOLD = 50;

const groupParameter = z.string().refine(isFailureGroupId, 'must be the id of a group, as /failures tells it');

export function failureRoutes(ports: TaskPorts): Record<string, Route> {
  return {
    'GET /v1/jobs/{jobId}/failures': async (request) => {
      const query = readQuery(request, {
        group: groupParameter.optional(),
        limit: limitParameter(500, 100),
        cursor: cursorParameter,
      });
      const { job, counters } = await progressOf(ports.jobs, jobIdOf(request));
      const { group, limit, cursor } = query;
      const answer = group ? await tasksOf(job, group, limit, cursor, ports) : await groupsOf(job, cursor, ports);
      return { status: 200, body: { jobId: job.jobId, failed: counters.failed, ...answer } };
    },
  };
}

async function groupsOf(job: Job, fromIndex: number, ports: TaskPorts) {
  const groups = new FailureGroups();
  let read = 0;
  let cursor: string | null = null;
  for await (const task of failedTasks(job.jobId, fromIndex, ports.tasks)) {
    if (read === MAX_FAILURES_READ) {
      cursor = String(task.index);
      break;
    }
    read += 1;
    groups.add(task);
  }
  const all = groups.list();
  const told = all.slice(0, MAX_GROUPS_TOLD);
  const left = all.slice(MAX_GROUPS_TOLD);
  const indexes = told.flatMap(({ examples }) => examples.map(({ index }) => index));
  const keys = await taskKeys(job, indexes, ports.blobs);
  return {
    /** How many failures the groups of this answer count. */
    counted: read,
    groups: told.map((group) => ({
      ...group,
      examples: group.examples.map(({ taskId, index }) => ({ taskId, key: keys.get(index) ?? null })),
      links: { tasks: `/v1/jobs/${job.jobId}/failures?group=${group.group}` },
    })),
    otherGroups: { groups: left.length, tasks: left.reduce((sum, { count }) => sum + count, 0) },
    truncated: cursor !== null,
    cursor,
  };
}

/** Groups are not stored: each failure is looked at, so many for one answer. */
async function tasksOf(job: Job, group: string, limit: number, fromIndex: number, ports: TaskPorts) {
  const found: TaskRecord[] = [];
  let read = 0;
  let cursor: string | null = null;
  for await (const task of failedTasks(job.jobId, fromIndex, ports.tasks)) {
    if (read === MAX_FAILURES_READ || found.length === limit) {
      cursor = String(task.index);
      break;
    }
    read += 1;
    if (task.failure && failureGroupId(task.failure) === group) found.push(task);
  }
  const keys = await taskKeys(
    job,
    found.map(({ index }) => index),
    ports.blobs,
  );
  const tasks = found.map((task) => taskView(task, keys.get(task.index)));
  return { group, tasks, truncated: cursor !== null, cursor };
}
