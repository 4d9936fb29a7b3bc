/**
 * Shoal with one of its rules left out, each by a change around the real code. The simulator is worth something only if
 * it notices: every mutant breaks a promise in a recorded seed, and is found by search.
 */

import { addCounters, zeroCounters } from '../../core/counters.ts';
import { PRIORITIES } from '../../core/ids.ts';
import type { QueueRecord } from '../../functions/queue-batch.ts';
import type { TickPorts } from '../../functions/scaler/scale.ts';
import { sendTasks } from '../../functions/send-tasks.ts';
import type { ConsumePorts } from '../../functions/status-consumer/consume-status.ts';
import { laterAttempt } from '../../functions/task-messages.ts';
import type { AgentPorts } from '../../worker-bootstrap/agent/agent.ts';
import type { TaskOutcome } from '../../worker-bootstrap/agent/task-runner.ts';
import type { InMemoryTables } from '../fakes/in-memory-tables.ts';
import { altered } from './calls.ts';

export interface Mutant {
  readonly name: string;
  /** The seed that is recorded to catch it. */
  readonly seed: number;
  readonly consumer?: (ports: ConsumePorts, tables: InMemoryTables) => ConsumePorts;
  /** What the consumer is given to read. */
  readonly records?: (records: readonly QueueRecord[], tables: InMemoryTables) => readonly QueueRecord[];
  readonly agent?: (ports: AgentPortsInUse) => AgentPortsInUse;
  readonly outcome?: (outcome: TaskOutcome) => TaskOutcome;
  readonly scaler?: (ports: TickPorts) => TickPorts;
  readonly addCounters?: boolean;
}

export type AgentPortsInUse = Pick<AgentPorts, 'queues' | 'status' | 'control' | 'blobs'>;

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'no fencing',
    seed: 6,
    // Every report counts for the current attempt, whichever it speaks of.
    records: (records, tables) =>
      records.map((record) => {
        const message = JSON.parse(record.body) as { events: { taskId?: string }[] }; // a status message
        const events = message.events.map((event) =>
          event.taskId ? { ...event, attempt: tables.tasks.get(event.taskId)?.attempt ?? 1 } : event,
        );
        return { ...record, body: JSON.stringify({ ...message, events }) };
      }),
  },
  {
    name: 'counter outside the transaction',
    seed: 1,
    consumer: (ports, tables) => ({
      ...ports,
      tasks: altered(ports.tasks, {
        commit: async (jobId, writes, delta) => {
          const outcome = await ports.tasks.commit(jobId, writes, delta && zeroCounters);
          if (outcome.kind !== 'committed' || !delta) return outcome;
          await ports.jobs.progress(jobId);
          const row = tables.jobs.get(jobId);
          if (row) row.counters = addCounters(row.counters, delta);
          return outcome;
        },
      }),
    }),
  },
  {
    name: 'delete before publish',
    seed: 1,
    agent: (ports) => {
      const receipts = new Map<string, () => Promise<void>>();
      const fleet = 'default';
      const queues = new Map(
        PRIORITIES.map((priority) => {
          const queue = ports.queues(fleet, priority);
          const receive: typeof queue.receive = async (options) => {
            const received = await queue.receive(options);
            for (const lease of received.leases) receipts.set(lease.leaseId, () => queue.acknowledge([lease]));
            return received;
          };
          return [priority, altered(queue, { receive })] as const;
        }),
      );
      return {
        ...ports,
        queues: (name, priority) => queues.get(priority) ?? ports.queues(name, priority),
        status: {
          publish: async (events) => {
            for (const event of events) {
              if (event.kind !== 'instance' && event.kind !== 'started') await receipts.get(event.leaseId)?.();
            }
            await ports.status.publish(events);
          },
        },
      };
    },
  },
  {
    name: 'no completion check on stale reports',
    seed: 108,
    consumer: (ports) => {
      let applied = false;
      return {
        ...ports,
        tasks: altered(ports.tasks, {
          commit: async (jobId, writes, delta) => {
            const outcome = await ports.tasks.commit(jobId, writes, delta);
            applied ||= outcome.kind === 'committed';
            return outcome;
          },
        }),
        machine: altered(ports.machine, {
          signal: async (token, signal) => (applied ? ports.machine.signal(token, signal) : 'spent'),
        }),
      };
    },
  },
  {
    name: 'send before record',
    seed: 9,
    consumer: (ports, tables) => ({
      ...ports,
      tasks: altered(ports.tasks, {
        commit: async (jobId, writes, delta) => {
          const job = tables.jobs.get(jobId)?.job;
          const next = writes.filter(({ task }) => task.status === 'PENDING' && task.attempt > 1);
          if (job && next.length > 0) {
            const messages = next.map(({ task }) =>
              laterAttempt(job, task.index, task.attempt, task.checkpoint?.blob ?? null),
            );
            await sendTasks(messages, ports.queues);
          }
          return ports.tasks.commit(jobId, writes, delta);
        },
      }),
    }),
  },
  {
    name: 'release by visibility alone',
    seed: 12,
    outcome: (outcome) => (outcome.kind === 'released' && outcome.seconds > 0 ? { kind: 'returned' } : outcome),
  },
  {
    name: 'no sweep',
    seed: 35,
    scaler: (ports) => ({ ...ports, jobs: altered(ports.jobs, { markSweep: async () => undefined }) }),
  },
  {
    name: 'no launch intent',
    seed: 101,
    scaler: (ports) => ({
      ...ports,
      fleets: altered(ports.fleets, {
        writeState: (fleet, next, version) => ports.fleets.writeState(fleet, { ...next, intents: [] }, version),
      }),
    }),
  },
];
