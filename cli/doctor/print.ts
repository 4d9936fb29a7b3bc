/** Findings as a table for people. */
import type { Finding, FindingStatus } from './finding.ts';

const SIGNS: Readonly<Record<FindingStatus, string>> = { ok: '✓', warned: '!', failed: '✗', skipped: '–' };

export function table(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  const lines = findings.flatMap(({ what, status, message, mend }, index) => [
    `${SIGNS[status]} ${what.padEnd(width)}  ${message}`,
    // Several faults that one command mends have it under the last of them.
    ...(mend === undefined || mend === findings[index + 1]?.mend ? [] : [`  ${' '.repeat(width)}  → ${mend}`]),
  ]);
  return [...lines, '', summary(findings)].join('\n');
}

function summary(findings: readonly Finding[]): string {
  const count = (status: FindingStatus): number => findings.filter((each) => each.status === status).length;
  return `${count('ok')} in order, ${count('warned')} to note, ${count('failed')} to mend, ${count('skipped')} not looked at`;
}
