/** `GET /v1/jobs/{jobId}/results`: JSON Lines in task order; `merged`, those of a whole chain of retries. */
import { z } from 'zod';
import { chunked } from '../../adapters/in-parallel.ts';
import type { Job } from '../../core/job.ts';
import { isTerminal } from '../../core/task.ts';
import type { Route } from '../http/api-handler.ts';
import { jobIdOf } from '../http/path-parameters.ts';
import { cursorParameter, limitParameter, readQuery } from '../http/query-parameters.ts';
import { progressOf } from './jobs.ts';
import { type MergedRun, mergedRuns } from './merged-runs.ts';
import { taskKeys } from './task-keys.ts';
import { taskPage } from './task-pages.ts';
import { resultOf, taskView } from './task-view.ts';
import type { ResultPorts } from './tasks.ts';

/**
 * An answer must fit Lambda's 6 MB, and its body is sent as a JSON string: every quote and backslash in it becomes two
 * characters. A page is measured as it is sent; what does not fit is on the next one.
 */
const MAX_PAGE_BYTES = 4_000_000;
const RESULTS_AT_ONCE = 16;
const MAX_RESULT_BYTES = 1_000_000;

const bytesAsSent = (body: string): number => Buffer.byteLength(JSON.stringify(body));

const mergedParameter = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');

export function resultRoutes(ports: ResultPorts): Record<string, Route> {
  return {
    'GET /v1/jobs/{jobId}/results': async (request) => {
      const jobId = jobIdOf(request);
      const { limit, cursor, merged } = readQuery(request, {
        limit: limitParameter(1_000, 1_000),
        cursor: cursorParameter,
        merged: mergedParameter,
      });
      const asked = await progressOf(ports.jobs, jobId);
      const first = merged && asked.job.rootJobId ? await progressOf(ports.jobs, asked.job.rootJobId) : asked;
      const { job } = first;
      const page = await taskPage(job, ports.tasks, { limit, fromIndex: cursor });
      const ended = page.items.filter((task) => isTerminal(task.status));
      const runs = merged ? await mergedRuns(job, ended, ports) : ended.map((task) => ({ task, run: task }));
      const { text, cutAt } = await linesOf(job, runs, merged, ports);
      const next = cutAt === null ? page.cursor : String(cutAt);
      const query = `${merged ? 'merged=true&' : ''}limit=${limit}&cursor=${next}`;
      const link = next ? { link: `</v1/jobs/${job.jobId}/results?${query}>; rel="next"` } : {};
      return { status: 200, body: text, headers: { 'content-type': 'application/x-ndjson', ...link } };
    },
  };
}

/** As many lines as fit into one answer; `cutAt` is the first task that did not. */
async function linesOf(job: Job, runs: readonly MergedRun[], merged: boolean, ports: ResultPorts) {
  const keys = await taskKeys(
    job,
    runs.map(({ task }) => task.index),
    ports.blobs,
  );
  const lines: string[] = [];
  let bytes = 0;
  for await (const { task, run, result, resultRef, resultUrl } of withResults(runs, ports)) {
    const { jobId: _jobId, startedAt: _startedAt, dueAt: _dueAt, ...view } = taskView(run, keys.get(task.index));
    const place = merged ? { taskId: task.taskId, index: task.index } : {};
    const retried = merged ? { retriedAs: run === task ? null : run.taskId } : {};
    const line = `${JSON.stringify({ ...view, ...place, ...retried, result, ...(resultRef ? { resultRef, resultUrl } : {}) })}\n`;
    const size = bytesAsSent(line);
    if (bytes > 0 && bytes + size > MAX_PAGE_BYTES) return { text: lines.join(''), cutAt: task.index };
    lines.push(line);
    bytes += size;
  }
  return { text: lines.join(''), cutAt: null };
}

/** Runs with their results, in order; some are read ahead, so that a page of blobs does not take a page of round trips. */
async function* withResults(runs: readonly MergedRun[], ports: ResultPorts) {
  for (const group of chunked(runs, RESULTS_AT_ONCE)) {
    yield* await Promise.all(
      group.map(async (each) => ({ ...each, ...(await resultOf(each.run, MAX_RESULT_BYTES, ports)) })),
    );
  }
}
