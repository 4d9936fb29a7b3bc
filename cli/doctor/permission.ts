/** Which permission somebody lacks whom AWS refuses something. */
import { PermanentError } from '../../core/errors.ts';

/** By their names, or by the status alone where there is no body to hold a name (a HEAD request). */
const DENIED =
  /^(AccessDenied(Exception)?|KMSAccessDeniedException|UnauthorizedOperation|NotAuthorized|Forbidden|403)$/;

/** A bucket is looked at by the right to list it ("HeadBucket", Permissions). */
const ACTIONS: Readonly<Record<string, string>> = { 's3:HeadBucket': 's3:ListBucket' };

/** @returns what to allow, for people; `undefined` for what is no matter of permissions */
export function lackedPermission(error: unknown): string | undefined {
  if (!(error instanceof PermanentError)) return undefined;
  const { service, operation, code } = error.context;
  if (typeof code !== 'string' || !DENIED.test(code)) return undefined;
  const action = `${String(service).toLowerCase()}:${String(operation)}`;
  return `allow your role ${ACTIONS[action] ?? action}`;
}
