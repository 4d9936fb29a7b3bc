/** `POST /v1/jobs/{jobId}/retry` between HTTP and the use case. */
import type { Route } from '../http/api-handler.ts';
import { readJsonBody } from '../http/json-body.ts';
import { jobIdOf } from '../http/path-parameters.ts';
import { logger } from '../telemetry.ts';
import type { SubmissionRules } from './check-submission.ts';
import { type RetryPorts, retryJob } from './retry-job.ts';

/** 10,000 ids of tasks, and more. */
const MAX_BYTES = 1_000_000;

export const retryRoute =
  (rules: SubmissionRules, ports: RetryPorts): Route =>
  async (request, caller) => {
    const jobId = jobIdOf(request);
    // Everything may be left out, the body with it.
    const document = request.body ? readJsonBody(request, MAX_BYTES) : {};
    const idempotencyKey = request.headers['idempotency-key'];
    const answer = await retryJob({ jobId, document, keyId: caller.keyId, idempotencyKey }, rules, ports);
    logger.info('retry accepted', { jobId: answer.jobId, retryOf: jobId, taskCount: answer.taskCount });
    return { status: 202, body: answer, headers: { location: answer.links.self } };
  };
