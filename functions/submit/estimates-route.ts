/** `POST /v1/estimates`: what work would cost and when it would be done, on each fleet alone or on several; nothing is kept. */
import { z } from 'zod';
import { codeSchema } from '../../core/code.ts';
import { counted } from '../../core/counted.ts';
import { ValidationError } from '../../core/errors.ts';
import { jobSubmissionSchema, MAX_INLINE_BYTES } from '../../core/job-submission.ts';
import { fleetsNamed } from '../../core/placement.ts';
import type { Clock, JobStore, OfferSource } from '../../core/ports.ts';
import { parseDocument } from '../../core/validation.ts';
import type { Route } from '../http/api-handler.ts';
import { readJsonBody } from '../http/json-body.ts';
import { deadlineFaults, fleetFaults, type SubmissionRules } from './check-submission.ts';
import { measuredBefore } from './earlier-jobs.ts';
import { estimateOn } from './estimate-work.ts';
import { estimateOfSplit, type SplitPorts, splitWork } from './split-work.ts';

const { name, fleet, resources, expectedSeconds, timeoutSeconds, maxInstances, budgetUsd, deadline } =
  jobSubmissionSchema.shape;

const estimateRequestSchema = z.strictObject({
  taskCount: z.int().min(1).max(10_000_000),
  /** Of every fleet, unless some are named; of several that are named, also of the work split over them. */
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

export interface EstimatePorts extends SplitPorts {
  readonly jobs: JobStore;
  readonly offers: OfferSource;
  readonly clock: Clock;
}

/** @throws ValidationError; TransientError when jobs or prices cannot be read */
export const estimatesRoute =
  ({ fleets }: Pick<SubmissionRules, 'fleets'>, { jobs, offers, clock, fleetStates }: EstimatePorts): Route =>
  async (request) => {
    const asked = parseDocument(estimateRequestSchema, readJsonBody(request, MAX_INLINE_BYTES), 'the estimate');
    const now = clock.now();
    const faults = [...fleetFaults(asked, fleets), ...deadlineFaults(asked, now)];
    if (faults.length > 0) {
      throw new ValidationError(`the estimate has ${counted(faults.length, 'fault')}`, faults);
    }
    const names = asked.fleet === null ? fleets.map((each) => each.name) : fleetsNamed({ fleet: asked.fleet });
    const named = names.flatMap((each) => fleets.find((fleet) => fleet.name === each) ?? []);
    const { code } = asked;
    const prices = await offers.list();
    const estimates = await Promise.all(
      named.map(async (each) => {
        const measured = code && (await measuredBefore({ name: asked.name, fleet: each.name, code }, jobs));
        return estimateOn(each, asked, measured, prices, now);
      }),
    );
    if (asked.fleet === null || named.length < 2) return { status: 200, body: { estimates } };
    const measured = code && (await measuredBefore({ name: asked.name, fleet: names, code }, jobs));
    const work = { ...asked, inputBytesPerTask: null };
    const placed = await splitWork(named, work, measured, prices, now, { fleetStates });
    const split = estimateOfSplit(named, placed, asked, measured, prices, now);
    return { status: 200, body: { estimates, split } };
  };
