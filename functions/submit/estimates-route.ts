/** `POST /v1/estimates`: what work would cost and when it would be done, on one fleet or on each; nothing is kept. */
import { z } from 'zod';
import { codeSchema } from '../../core/code.ts';
import { ValidationError } from '../../core/errors.ts';
import { jobSubmissionSchema, MAX_INLINE_BYTES } from '../../core/job-submission.ts';
import type { Clock, JobStore, OfferSource } from '../../core/ports.ts';
import { parseDocument } from '../../core/validation.ts';
import type { Route } from '../http/api-handler.ts';
import { readJsonBody } from '../http/json-body.ts';
import type { SubmissionRules } from './check-submission.ts';
import { measuredBefore } from './earlier-jobs.ts';
import { estimateOn } from './estimate-work.ts';

const { name, fleet, resources, expectedSeconds, timeoutSeconds, maxInstances, budgetUsd, deadline } =
  jobSubmissionSchema.shape;

const estimateRequestSchema = z.strictObject({
  taskCount: z.int().min(1).max(10_000_000),
  /** Of every fleet, unless one is named. */
  fleet: fleet.unwrap().nullable().default(null),
  /** With these, earlier jobs of that name are looked at for the seconds of a task. */
  name,
  code: codeSchema.pick({ repository: true, run: true }).nullable().default(null),
  resources,
  expectedSeconds,
  timeoutSeconds,
  maxInstances,
  budgetUsd,
  deadline,
});

export interface EstimatePorts {
  readonly jobs: JobStore;
  readonly offers: OfferSource;
  readonly clock: Clock;
}

/** @throws ValidationError; TransientError when jobs or prices cannot be read */
export const estimatesRoute =
  ({ fleets }: Pick<SubmissionRules, 'fleets'>, { jobs, offers, clock }: EstimatePorts): Route =>
  async (request) => {
    const asked = parseDocument(estimateRequestSchema, readJsonBody(request, MAX_INLINE_BYTES), 'the estimate');
    const named = fleets.filter((each) => asked.fleet === null || each.name === asked.fleet);
    if (named.length === 0) {
      const known = fleets.map((each) => each.name).join(', ');
      throw new ValidationError('the estimate has 1 fault', [
        { path: 'fleet', message: `there is no such fleet; there are: ${known}` },
      ]);
    }
    const { code } = asked;
    const prices = await offers.list();
    const now = clock.now();
    const estimates = await Promise.all(
      named.map(async (each) => {
        const measured = code && (await measuredBefore({ name: asked.name, fleet: each.name, code }, jobs));
        return estimateOn(each, asked, measured, prices, now);
      }),
    );
    return { status: 200, body: { estimates } };
  };
