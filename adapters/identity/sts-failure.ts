/** What an error of STS means. Its name and status are all that is kept of it: the SDK's errors hold the raw answer, tokens and all. */
import { PermanentError, ShoalError, TransientError } from '../../core/errors.ts';
import { isTransientCode } from '../aws/aws-errors.ts';

interface Wording {
  /** Ends in a sentence on what to do, where the error's name tells. */
  readonly refused: string;
  readonly meaning: Readonly<Record<string, string>>;
}

/** Passes by itself: AWS could not read the other cloud's keys, or whoever asked was slow ("AssumeRoleWithWebIdentity", Errors). */
const PASSING: ReadonlySet<string> = new Set(['IDPCommunicationErrorException', 'ExpiredTokenException']);

export function stsFailure(error: unknown, { refused, meaning }: Wording): ShoalError {
  if (error instanceof ShoalError) return error;
  const { code, status } = namesOf(error);
  const context = { code, status };
  const advice = meaning[code];
  if (advice !== undefined) return new PermanentError(`${refused} (${code}): ${advice}`, { context });
  const isRefused = status >= 400 && status < 500 && status !== 429 && !PASSING.has(code) && !isTransientCode(code);
  return isRefused
    ? new PermanentError(`${refused} (${code})`, { context })
    : new TransientError(`STS does not answer (${code})`, { context });
}

/** A connection that failed has no status. */
function namesOf(error: unknown): { readonly code: string; readonly status: number } {
  if (!(error instanceof Error)) return { code: 'unknown', status: 0 };
  const metadata = '$metadata' in error ? error.$metadata : undefined;
  const known = typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata;
  const status = known && typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : 0;
  return { code: /^\w{1,80}$/.test(error.name) ? error.name : 'unknown', status };
}
