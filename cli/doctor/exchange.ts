/**
 * The exchange of AWS's token for one of another cloud. The doctor asks as the person who runs it, whom the other cloud need
 * not know: it trusts the roles of functions. That is not a fault, but then nobody can look any further from here.
 */
import type { AccessToken } from '../../adapters/identity/access-token.ts';
import { ShoalError } from '../../core/errors.ts';
import { type Finding, failed, ok, skipped, told } from './finding.ts';
import type { Check } from './run-checks.ts';

export type Look = Check['run'];

/** By Google's word ("Troubleshoot Workload Identity Federation") and Entra's number ("… error codes") for a subject that nobody admits. */
const isStranger = (error: unknown): boolean => {
  if (!(error instanceof ShoalError)) return false;
  const { code, errorCodes } = error.context;
  return code === 'unauthorized_client' || (Array.isArray(errorCodes) && errorCodes.includes(700_213));
};

const STRANGER =
  'not to be seen from here: the other cloud trusts the roles of functions, not yours. To have it looked at, trust your role there as well (docs/guide/clouds.md)';

/** @param mend for what its message has no command for */
export async function exchangeFinding(
  what: string,
  token: AccessToken,
  { message, mend }: { readonly message: string; readonly mend: string },
): Promise<Finding> {
  try {
    await token();
    return ok(what, message);
  } catch (error) {
    return isStranger(error) ? skipped(what, STRANGER) : failed(what, told(error), mendOf(error) ?? mend);
  }
}

/** The command, where the message has one. */
const mendOf = (error: unknown): string | undefined =>
  error instanceof Error ? /`([^`]+)`/.exec(error.message)?.[1] : undefined;

/** Looks only with a token in hand; why there is none is another finding's to say. @param token null when none is needed */
export async function unlessStranger(
  what: string,
  token: AccessToken | null,
  look: Look,
): Promise<Finding | readonly Finding[]> {
  try {
    await token?.();
  } catch {
    return skipped(what, 'needs a token of that cloud');
  }
  return look();
}
