/** Findings as a table for people. */
import type { Finding, FindingStatus } from './finding.ts';

const SIGNS: Readonly<Record<FindingStatus, string>> = { ok: '✓', warned: '!', failed: '✗', skipped: '–' };

export function table(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  const lines = findings.flatMap((finding, index) => [
    `${SIGNS[finding.status]} ${finding.what.padEnd(width)}  ${finding.message}`,
    ...(finding.mend === undefined || isMendedWith(finding, findings[index + 1])
      ? []
      : [`  ${' '.repeat(width)}  → ${finding.mend}`]),
  ]);
  return [...lines, '', summary(findings)].join('\n');
}

/** Several faults of one thing have the command that mends them all under the last of them. */
const isMendedWith = ({ what, mend }: Finding, next: Finding | undefined): boolean =>
  next?.what === what && next.mend === mend;

function summary(findings: readonly Finding[]): string {
  const count = (status: FindingStatus): number => findings.filter((each) => each.status === status).length;
  return `${count('ok')} in order, ${count('warned')} to note, ${count('failed')} to mend, ${count('skipped')} not looked at`;
}
