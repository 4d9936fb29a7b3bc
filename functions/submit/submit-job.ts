/** `POST /v1/jobs`: a job as its user wrote it. Checked at the door, then taken in (`take-job.ts`). */
import { checkSubmission, type SubmissionRules } from './check-submission.ts';
import { type SubmitAnswer, type SubmitPorts, takeJob } from './take-job.ts';

export interface SubmitRequest {
  readonly document: unknown;
  readonly keyId: string;
  readonly idempotencyKey: string | undefined;
}

/**
 * @throws ValidationError with every fault; HttpError 422 when the idempotency key came with another body before;
 *   TransientError when a service does not answer, before the job is written
 */
export const submitJob = (
  { document, keyId, idempotencyKey }: SubmitRequest,
  rules: SubmissionRules,
  ports: SubmitPorts,
): Promise<SubmitAnswer> =>
  takeJob(
    { request: document, keyId, idempotencyKey },
    () => checkSubmission(document, rules, ports.clock.now()),
    rules.fleets,
    ports,
  );
