/** Runs checks side by side, each for so long and no longer: one that hangs or breaks is a finding, not the end of the others. */
import { type Finding, failed, told, withoutSecrets } from './finding.ts';
import { lackedPermission } from './permission.ts';

export interface Check {
  readonly what: string;
  readonly run: () => Promise<Finding | readonly Finding[]>;
}

/** @returns the findings in the order of the checks, whichever came first */
export async function runChecks(checks: readonly Check[], limitMs: number): Promise<Finding[]> {
  const found = await Promise.all(checks.map((check) => runCheck(check, limitMs)));
  return found.flat().map(withoutSecrets);
}

async function runCheck({ what, run }: Check, limitMs: number): Promise<readonly Finding[]> {
  const limit = Promise.withResolvers<Finding>();
  const timer = setTimeout(() => limit.resolve(failed(what, `no answer within ${limitMs / 1_000} s`)), limitMs);
  try {
    return [await Promise.race([run(), limit.promise])].flat();
  } catch (error) {
    return [failed(what, told(error), lackedPermission(error))];
  } finally {
    clearTimeout(timer);
  }
}
