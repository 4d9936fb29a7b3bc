/** `GET /v1/jobs` and `GET /v1/jobs/{jobId}`. */
import { z } from 'zod';
import { NotFoundError } from '../../core/errors.ts';
import type { Fleet } from '../../core/fleet.ts';
import { isJobId } from '../../core/ids.ts';
import { isClosed, jobStatusSchema } from '../../core/job.ts';
import type { Clock, JobProgress, JobStore, OfferSource } from '../../core/ports.ts';
import type { Route } from '../http/api-handler.ts';
import { jobIdOf } from '../http/path-parameters.ts';
import { limitParameter, readQuery } from '../http/query-parameters.ts';
import { jobView } from './job-view.ts';
import { estimateOfRest } from './rest-of-job.ts';

/** @throws NotFoundError */
export async function progressOf(jobs: JobStore, jobId: string): Promise<JobProgress> {
  const progress = await jobs.progress(jobId);
  if (!progress) throw new NotFoundError('there is no such job', { context: { jobId } });
  return progress;
}

export interface JobPorts {
  readonly jobs: JobStore;
  readonly clock: Clock;
  readonly fleets: readonly Fleet[];
  readonly offers: OfferSource;
}

export function jobRoutes(ports: JobPorts): Record<string, Route> {
  return {
    'GET /v1/jobs': async (request) => {
      const { status, limit, cursor } = readQuery(request, {
        status: jobStatusSchema.optional(),
        limit: limitParameter(200, 50),
        cursor: z.string().refine(isJobId, 'is not a cursor of ours').optional(),
      });
      const page = await ports.jobs.list({ limit, ...(status ? { status } : {}), ...(cursor ? { cursor } : {}) });
      return { status: 200, body: { jobs: page.items, cursor: page.cursor ?? null } };
    },

    'GET /v1/jobs/{jobId}': async (request) => {
      const progress = await progressOf(ports.jobs, jobIdOf(request));
      const now = ports.clock.now();
      return { status: 200, body: { ...jobView(progress, now), estimate: await restOf(progress, ports, now) } };
    },
  };
}

/** A courtesy: without prices there is none. */
const restOf = async (progress: JobProgress, { fleets, offers }: JobPorts, now: Date) =>
  isClosed(progress.job.status)
    ? null
    : offers.list().then(
        (prices) => estimateOfRest(progress, fleets, prices, now),
        () => null,
      );
