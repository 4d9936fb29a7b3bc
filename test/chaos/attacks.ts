/** What is done to a running pipeline: each attack does one thing, and says in a word or two what it did. */
import { ReceiveMessageCommand, SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { isMachineAlive, readMachines } from '../../adapters/local/local-machine.ts';
import { toAsciiJson } from '../../core/ascii-json.ts';
import { taskIdOf } from '../../core/ids.ts';
import type { FaultRule } from '../../local/emulators/faults/fault-rule.ts';
import { SPARED_HEADER } from '../../local/emulators/faults/with-faults.ts';
import type { Pipeline } from '../../local/pipeline.ts';
import { processesWith } from '../e2e/processes.ts';
import { taskMessageFactory } from '../factories/task-message.ts';

export interface Target {
  readonly pipeline: Pipeline;
  readonly instancesDirectory: string;
  readonly sqs: SQSClient;
  /** Of the commands that run: a message of nobody's job must at least be able to run. */
  readonly code: { readonly repository: string; readonly commit: string };
  readonly random: () => number;
  /** Ids of what was submitted so far. */
  readonly jobIds: readonly string[];
}

/** @returns how many things it did; 0 when there was nothing to do it to */
export type Attack = (target: Target) => Promise<number>;

const pick = <Each>(all: readonly Each[], random: () => number): Each | undefined =>
  all[Math.floor(random() * all.length)];

/** A machine that lives, drawn. */
async function anyMachine({ instancesDirectory, random }: Target): Promise<string | undefined> {
  const machines = await readMachines(instancesDirectory);
  const lives = await Promise.all(machines.map(isMachineAlive));
  return pick(
    machines.filter((_, nth) => lives[nth]),
    random,
  )?.instanceId;
}

const vanish: Attack = async (target) => {
  const machine = await anyMachine(target);
  return machine && (await target.pipeline.metadata.vanish(machine)) ? 1 : 0;
};

const killAgent: Attack = async (target) => {
  const machine = await anyMachine(target);
  if (!machine) return 0;
  const agent = (await processesWith(machine)).find(({ command }) => command.includes('agent.mjs'));
  if (!agent) return 0;
  process.kill(agent.pid, 'SIGKILL');
  return 1;
};

const interrupt: Attack = async (target) => {
  const machine = await anyMachine(target);
  return machine && (await target.pipeline.metadata.interrupt(machine, 4 + Math.floor(target.random() * 6))) ? 1 : 0;
};

const rebalance: Attack = async (target) => {
  const machine = await anyMachine(target);
  return machine && (await target.pipeline.metadata.rebalance(machine)) ? 1 : 0;
};

const crashHost: Attack = async ({ pipeline }) => {
  await pipeline.crashHost();
  return 1;
};

const restartQueues: Attack = async ({ pipeline }) => {
  await fetch(`${pipeline.local.sqsUrl}/_shoal/restart`, { method: 'POST' });
  return 1;
};

/** The queues that anybody could write to who should not. */
function queuesOf({ local }: Pipeline): { tasks: string; status: string; delayed: string; dead: string } {
  return {
    tasks: local.taskQueueUrls['default']?.normal ?? '',
    status: local.statusQueueUrl,
    delayed: local.statusQueueUrl.replace('shoal-status-', 'shoal-delayed-'),
    dead: local.deadLetterQueueUrl,
  };
}

const send = (sqs: SQSClient, QueueUrl: string, MessageBody: string): Promise<unknown> =>
  sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));

const NOBODY = 'job_00000000000000000000000000';

const hostileMessages: Attack = async ({ pipeline, sqs, random, code, jobIds }) => {
  const { tasks, status, delayed, dead } = queuesOf(pipeline);
  const jobId = pick(jobIds, random) ?? NOBODY;
  const stranger = { ...taskMessageFactory(), jobId: NOBODY, taskId: `${NOBODY}-0`, timeoutSeconds: 5 };
  const runnable = { ...stranger, code: { ...stranger.code, ...code, run: ['sh', 'task.sh'] }, input: 'quick 1' };
  const event = {
    receiveCount: 1,
    leaseId: 'hostile',
    instanceId: 'i-hostile',
    seconds: 1,
    at: '0000-01-01T00:00:00Z',
  };
  const completed = { kind: 'completed', ...event, jobId, result: { json: '"forged"' } };
  const report = (...events: readonly object[]): string => toAsciiJson({ v: 1, source: 'i-hostile', events });
  const all: readonly (readonly [string, string])[] = [
    [tasks, 'not json'],
    [tasks, toAsciiJson(runnable)],
    [status, '{"v":1,"source":7}'],
    [status, report({ ...completed, taskId: taskIdOf(jobId, 9_999_999), attempt: 1 })],
    [status, report({ ...completed, taskId: taskIdOf(jobId, 0), attempt: 1_000_000 })],
    [status, report({ ...completed, taskId: taskIdOf(jobId, 0), attempt: 1, leaseId: 'x'.repeat(500_000) })],
    [delayed, 'not json'],
    [delayed, toAsciiJson({ message: { ...runnable, fleet: 'nowhere' }, dueAt: event.at })],
    [dead, toAsciiJson(runnable)],
    [dead, '[]'],
  ];
  const [queue, body] = pick(all, random) ?? [status, ''];
  await send(sqs, queue, body);
  return 1;
};

const SEEN_MS = 3_000;
const LATE_MS = 12_000;

/** Copies messages that lie on a queue; the copies come at once, and once more when nobody expects them. */
const copiesOf =
  (queue: 'tasks' | 'status'): Attack =>
  async ({ pipeline, sqs, random }) => {
    const QueueUrl = queuesOf(pipeline)[queue];
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 5, VisibilityTimeout: 0, WaitTimeSeconds: 1 }),
      { abortSignal: AbortSignal.timeout(SEEN_MS) },
    );
    for (const { Body = '' } of Messages) {
      await send(sqs, QueueUrl, Body);
      const late = setTimeout(() => void send(sqs, QueueUrl, Body).catch(() => undefined), random() * LATE_MS);
      late.unref();
    }
    return 2 * Messages.length;
  };

/** Everything that AWS may do on a bad day, a few of a hundred calls each. */
function weather(random: () => number): FaultRule[] {
  const seed = (): number => Math.floor(random() * 2 ** 31);
  const rule = (service: FaultRule['service'], kind: FaultRule['kind'], probability: number): FaultRule => ({
    service,
    kind,
    probability: probability * random(),
    seed: seed(),
    ...(kind === 'delay' ? { delayMs: 300 } : {}),
  });
  return [
    rule('sqs', 'throttle', 0.1),
    rule('sqs', 'partial', 0.1),
    rule('sqs', 'lost-response', 0.05),
    rule('sqs', 'duplicate', 0.1),
    rule('sqs', 'delay', 0.1),
    rule('dynamodb', 'throttle', 0.05),
    { ...rule('dynamodb', 'conflict', 0.2), operation: 'TransactWriteItems' },
    rule('dynamodb', 'lost-response', 0.05),
    rule('dynamodb', 'stale', 0.2),
    rule('s3', 'throttle', 0.05),
    rule('s3', 'lost-response', 0.05),
    rule('s3', 'conflict', 0.1),
    rule('states', 'throttle', 0.1),
    rule('states', 'lost-response', 0.1),
  ];
}

const spared = { [SPARED_HEADER]: 'off' };

/** Ends the faults that are on. @returns how often each kind struck */
export async function endWeather({ local }: Pipeline): Promise<Map<string, number>> {
  const address = `${local.sqsUrl}/_shoal/faults`;
  const response = await fetch(address, { headers: spared });
  const { rules } = (await response.json()) as { rules: { service: string; kind: string; injected: number }[] }; // told by us
  await fetch(address, { method: 'DELETE', headers: spared });
  const struck = new Map<string, number>();
  for (const { kind, injected } of rules) struck.set(kind, (struck.get(kind) ?? 0) + injected);
  return struck;
}

export async function newWeather({ pipeline, random }: Target): Promise<Map<string, number>> {
  const struck = await endWeather(pipeline);
  await fetch(`${pipeline.local.sqsUrl}/_shoal/faults`, { method: 'PUT', body: JSON.stringify(weather(random)) });
  return struck;
}

export interface NamedAttack {
  readonly name: string;
  readonly attack: Attack;
  /** How often it is drawn, against the others. */
  readonly weight: number;
  /** What it loses comes back after two leases: too late for a short run. */
  readonly longRunsOnly?: boolean;
}

export const ATTACKS: readonly NamedAttack[] = [
  { name: 'machines killed (-9, all of it)', attack: vanish, weight: 4 },
  { name: 'agents killed (-9)', attack: killAgent, weight: 4 },
  { name: 'interruption notices', attack: interrupt, weight: 4 },
  { name: 'rebalance recommendations', attack: rebalance, weight: 2 },
  { name: 'function host killed (-9)', attack: crashHost, weight: 1 },
  { name: 'queues emptied by a restart', attack: restartQueues, weight: 1, longRunsOnly: true },
  { name: 'hostile messages', attack: hostileMessages, weight: 8 },
  { name: 'task messages doubled, at once and late', attack: copiesOf('tasks'), weight: 4 },
  { name: 'reports doubled, at once and late', attack: copiesOf('status'), weight: 5 },
];

/** The next attack, by weight. */
export function drawAttack(random: () => number, isLongRun: boolean): NamedAttack | undefined {
  const attacks = ATTACKS.filter(({ longRunsOnly = false }) => isLongRun || !longRunsOnly);
  let left = random() * attacks.reduce((sum, { weight }) => sum + weight, 0);
  return attacks.find(({ weight }) => {
    left -= weight;
    return left < 0;
  });
}
