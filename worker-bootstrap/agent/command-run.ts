/** How a task's command ended, by whichever protocol it was run. */
import type { Checkpoint, Failure } from '../../core/task.ts';
import type { KeptOutput } from './kept-output.ts';
import type { EndedFor, NotStarted } from './process-group.ts';

export type CommandRun =
  | NotStarted
  /** It was stopped before it began. */
  | { readonly kind: 'never-began' }
  | {
      readonly kind: 'ran';
      readonly seconds: number;
      /** What we ended it for, if we did. */
      readonly endedFor: EndedFor;
      /** Why it failed, if the machine's disk was full: no fault of the task. */
      readonly diskFull: string | null;
      /** What it printed, if that was anything but its result. */
      readonly printed: KeptOutput | null;
      /** What it left for the next attempt, if it had to stop. */
      readonly checkpoint?: Checkpoint;
      readonly outcome: { readonly json: string } | { readonly failure: Failure };
    };
