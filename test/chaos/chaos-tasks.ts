/** The tasks of a chaos run: what each is to do, and what must have become of it in the end. */
import type { TaskRecord } from '../../core/task.ts';

/** `temporary` fails once with exit code 75, `fatal` always and for good, `loud` prints much, `slow` takes seconds. */
export const KINDS = ['quick', 'slow', 'temporary', 'fatal', 'loud'] as const;
export type Kind = (typeof KINDS)[number];

export interface ChaosTask {
  readonly n: number;
  readonly kind: Kind;
}

/** A shell starts in a moment: what is tried is the pipeline, not a language. The input is a word and a number. */
export const COMMANDS = {
  'task.sh': `read -r input
input=\${input#?}; input=\${input%?}
kind=\${input% *}; n=\${input#* }
case $kind in
  slow) sleep $((1 + n % 3)) ;;
  temporary) [ "$SHOAL_ATTEMPT" = 1 ] && { echo 'busy' >&2; exit 75; } ;;
  fatal) echo 'there is no such number' >&2; exit 1 ;;
  loud) i=0; while [ $i -lt 2000 ]; do echo "line $i of much that nobody reads" >&2; i=$((i + 1)); done ;;
esac
echo "{\\"n\\":$n,\\"square\\":$((n * n))}"
`,
} as const;

/** A mixture that depends on the seed alone. */
export function chaosTasks(count: number, random: () => number): ChaosTask[] {
  const kindOf = (draw: number): Kind => {
    if (draw < 0.2) return 'slow';
    if (draw < 0.3) return 'temporary';
    if (draw < 0.35) return 'fatal';
    return draw < 0.38 ? 'loud' : 'quick';
  };
  return Array.from({ length: count }, (_, n) => ({ n, kind: kindOf(random()) }));
}

export const inputOf = ({ n, kind }: ChaosTask): string => `${kind} ${n}`;

/** What is wrong with a task's row after all is over; nothing, if it is as it should be. */
export function faultsOfTask({ n, kind }: ChaosTask, row: TaskRecord | undefined): string[] {
  if (!row) return ['has no row'];
  const faults: string[] = [];
  const expected = kind === 'fatal' ? 'FAILED' : 'COMPLETED';
  if (row.status !== expected) faults.push(`is ${row.status} instead of ${expected} (${row.failure?.message ?? ''})`);
  if (row.status === 'COMPLETED') {
    const result = row.result && 'json' in row.result ? row.result.json : null;
    if (result !== JSON.stringify({ n, square: n * n })) faults.push(`has the result ${result}`);
    const completions = row.attempts.filter(({ outcome }) => outcome === 'completed').length;
    if (completions !== 1) faults.push(`completed ${completions} times`);
  }
  return [...faults, ...wronglyCharged(kind, row)];
}

/** Only what the command itself did may be charged: never a loss, an interruption, or what became of a machine. */
function wronglyCharged(kind: Kind, row: TaskRecord): string[] {
  const own = kind === 'temporary' ? 75 : kind === 'fatal' ? 1 : undefined;
  return row.attempts
    .filter((each) => each.charged && each.exitCode !== own)
    .map((each) => `was charged for attempt ${each.attempt}: ${each.outcome}, ${each.reason ?? 'no reason'}`);
}
