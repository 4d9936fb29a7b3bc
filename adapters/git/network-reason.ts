/** Why a request failed, as a code of the system's (`ECONNREFUSED`) or the name of the error: never its message. */
export function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { cause } = error;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' ? code : error.name;
}
