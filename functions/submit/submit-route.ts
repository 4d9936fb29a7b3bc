/** `POST /v1/jobs` between HTTP and the use case. */
import { MAX_INLINE_BYTES } from '../../core/job-submission.ts';
import type { Route } from '../http/api-handler.ts';
import { readJsonBody } from '../http/json-body.ts';
import { logger } from '../telemetry.ts';
import type { SubmissionRules } from './check-submission.ts';
import { submitJob } from './submit-job.ts';
import type { SubmitPorts } from './take-job.ts';

export const submitRoute =
  (rules: SubmissionRules, ports: SubmitPorts): Route =>
  async (request, caller) => {
    const document = readJsonBody(request, MAX_INLINE_BYTES);
    const idempotencyKey = request.headers['idempotency-key'];
    const answer = await submitJob({ document, keyId: caller.keyId, idempotencyKey }, rules, ports);
    logger.info('job accepted', { jobId: answer.jobId, taskCount: answer.taskCount });
    return { status: 202, body: answer, headers: { location: answer.links.self } };
  };
