/**
 * What runs on a simulated machine in place of checkouts and processes: a task says itself, in its input, how long it
 * takes and how it ends. Everything around it is the real agent.
 */
import { z } from 'zod';
import { blobKeys } from '../../core/ids.ts';
import type { TaskMessage } from '../../core/messages.ts';
import type { Lease } from '../../core/ports.ts';
import type { Checkpoint } from '../../core/task.ts';
import { sleep, unlessAborted } from '../../worker-bootstrap/agent/sleep.ts';
import { TaskInputs } from '../../worker-bootstrap/agent/task-input.ts';
import { CANCELLED_BEFORE, type TaskAssignment, type TaskOutcome } from '../../worker-bootstrap/agent/task-runner.ts';
import type { OpenWorkshop, Workshop, WorkshopPlace } from '../../worker-bootstrap/agent/workshop.ts';
import type { Faults } from './faults.ts';
import type { Random } from './random.ts';

/** The input of a simulated task. */
export const fateSchema = z.object({
  index: z.int(),
  seconds: z.number(),
  /** `good`: works. `flaky`: asks for another try now and then. `bad`: fails. `killer`: now and then ends its agent. */
  kind: z.enum(['good', 'flaky', 'bad', 'killer']),
});
export type Fate = z.infer<typeof fateSchema>;

export interface RunningCommand {
  readonly leaseId: string;
  readonly receiptHandle: string;
  readonly message: TaskMessage;
}

export interface CommandHooks {
  readonly random: Random;
  readonly faults: Faults;
  readonly onStart: (command: RunningCommand, fate: Fate) => void;
  readonly onEnd: (command: RunningCommand, outcome: TaskOutcome) => void;
  /** A mutant's: what the agent is told in place of the outcome. */
  readonly alter: ((outcome: TaskOutcome) => TaskOutcome) | undefined;
  /** The command takes its agent with it. */
  readonly onKill: () => void;
}

/** What a command hands in: it names the lease, so that whose result was kept can be told. */
export const resultOf = (taskId: string, leaseId: string): string => JSON.stringify({ taskId, leaseId });

export const openSimulatedWorkshop =
  (hooks: CommandHooks): OpenWorkshop =>
  (place) =>
    new SimulatedWorkshop(place, hooks);

class SimulatedWorkshop implements Workshop {
  readonly keepsProcesses = false;
  readonly #place: WorkshopPlace;
  readonly #hooks: CommandHooks;
  readonly #inputs: TaskInputs;
  readonly #prepared = new Map<string, { isReady: boolean; outcome: Promise<string | null> }>();
  #failures = 0;

  constructor(place: WorkshopPlace, hooks: CommandHooks) {
    this.#place = place;
    this.#hooks = hooks;
    this.#inputs = new TaskInputs(place.ports.blobs);
  }

  isPrepared({ commit }: TaskMessage['code']): boolean {
    return this.#prepared.get(commit)?.isReady ?? false;
  }

  endJobs(): void {}

  async close(): Promise<void> {}

  async run(assignment: TaskAssignment, announce: (task: TaskAssignment) => Promise<void>): Promise<TaskOutcome> {
    const { lease, stop, leaseEndsAt, stopCause } = assignment;
    const { ports, lifecycle } = this.#place;
    const { clock, random } = ports;
    const neverStarted = (): TaskOutcome =>
      stopCause() === 'cancelled' ? released('cancelled', CANCELLED_BEFORE) : { kind: 'returned' };
    const trouble = await unlessAborted(this.#prepare(lease.message.code), stop);
    if (stop.aborted || trouble === undefined) return neverStarted();
    if (trouble !== null) return released('machine', trouble);

    const until = new Date(Math.min(leaseEndsAt.getTime(), clock.now().getTime() + 30_000));
    const input = await this.#inputs.read(lease.message, { clock, random, until, signal: lifecycle.killing });
    if (stop.aborted) return neverStarted();
    if (input.kind === 'unreachable') return released('machine', input.reason);
    if (input.kind === 'missing') {
      return { kind: 'failed', seconds: 0, failure: { code: 'input-unavailable', message: input.reason } };
    }
    await announce(assignment);
    const command = { leaseId: lease.leaseId, receiptHandle: lease.receiptHandle, message: lease.message };
    const fate = fateSchema.parse(JSON.parse(input.json));
    this.#hooks.onStart(command, fate);
    const outcome = await this.#work(assignment, fate);
    this.#hooks.onEnd(command, outcome);
    return this.#hooks.alter?.(outcome) ?? outcome;
  }

  async #work(assignment: TaskAssignment, { kind, seconds }: Fate): Promise<TaskOutcome> {
    const { lease, stop, stopCause } = assignment;
    const { settings, ports, lifecycle } = this.#place;
    const { clock } = ports;
    const { random, onKill } = this.#hooks;
    const { timeoutSeconds, taskId } = lease.message;
    const killsAgent = kind === 'killer' && random.chance(0.5);
    const began = clock.now().getTime();
    const passed = (): number => (clock.now().getTime() - began) / 1_000;
    const full = Math.min(seconds, timeoutSeconds);
    await sleep(clock, (killsAgent ? random.next() * full : full) * 1_000, stop);
    if (stop.aborted) {
      // The grace: it may still finish its work.
      const left = full - passed();
      const graceSeconds = random.next() * settings.graceSeconds;
      const finishes = stopCause() !== 'cancelled' && left < graceSeconds && random.chance(0.5);
      await sleep(clock, (finishes ? left : graceSeconds) * 1_000, lifecycle.killing);
      if (!finishes || lifecycle.killing.aborted) {
        const outcome = released(stopCause(), 'stopped', passed());
        return stopCause() === 'cancelled' ? outcome : { ...outcome, ...(await this.#checkpoint(lease)) };
      }
    } else if (killsAgent) {
      onKill();
      return new Promise(() => undefined);
    }
    if (seconds > timeoutSeconds) {
      return { kind: 'failed', seconds: passed(), failure: { code: 'timeout', message: 'took too long' } };
    }
    if (kind === 'bad' || (kind === 'flaky' && random.chance(0.4))) {
      const exitCode = kind === 'bad' ? 1 : 75;
      return { kind: 'failed', seconds: passed(), failure: { code: 'exit', message: 'failed', exitCode } };
    }
    return { kind: 'completed', seconds: passed(), result: { json: resultOf(taskId, lease.leaseId) } };
  }

  /** What a command leaves that had to stop, if it does, and if that can be stored. */
  async #checkpoint({ leaseId, message: { jobId, taskId, attempt } }: Lease): Promise<{ checkpoint?: Checkpoint }> {
    if (this.#hooks.random.chance(0.5)) return {};
    const blob = blobKeys.checkpoint(jobId, taskId, attempt, leaseId);
    try {
      await this.#place.ports.blobs.put(blob, leaseId, 'application/octet-stream');
      return { checkpoint: { blob, bytes: leaseId.length } };
    } catch {
      return {};
    }
  }

  /** What is wrong with the code's checkout, `null` if nothing. */
  #prepare({ commit }: TaskMessage['code']): Promise<string | null> {
    const known = this.#prepared.get(commit);
    if (known) return known.outcome;
    const { ports, lifecycle } = this.#place;
    const { random, faults } = this.#hooks;
    const fails = faults.happens('unprepared');
    const entry = {
      isReady: false,
      outcome: sleep(ports.clock, random.int(1, 20) * 1_000, lifecycle.interrupting).then(() => {
        if (!fails) {
          entry.isReady = true;
          this.#failures = 0;
          return null;
        }
        this.#prepared.delete(commit);
        this.#failures += 1;
        if (this.#failures >= 3) lifecycle.drain('preparation failed 3 times in a row');
        return 'the checkout failed';
      }),
    };
    this.#prepared.set(commit, entry);
    return entry.outcome;
  }
}

const released = (
  cause: Extract<TaskOutcome, { kind: 'released' }>['cause'],
  reason: string,
  seconds = 0,
): TaskOutcome => ({ kind: 'released', seconds, cause, reason });
