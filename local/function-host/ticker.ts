/** Schedules of the template: each rule invokes its functions at its rate. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { LOCAL_ACCOUNT, LOCAL_REGION } from '../physical-names.ts';
import type { StackTemplate } from '../template.ts';

export interface Schedule {
  readonly ruleName: string;
  readonly functionArn: string;
  readonly everySeconds: number;
  /** A constant event in JSON instead of EventBridge's own. */
  readonly input: string | undefined;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { minute: 60, hour: 3_600, day: 86_400 };

/** `rate(5 minutes)` → 300. @throws Error for anything but a rate */
export function rateSeconds(expression: string): number {
  const [, count, unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  const seconds = UNIT_SECONDS[unit ?? ''];
  if (!count || !seconds) throw new Error(`the local run understands only rates, not ${expression}`);
  return Number(count) * seconds;
}

const ruleSchema = z.object({
  Name: z.string().optional(),
  ScheduleExpression: z.string().optional(),
  State: z.string().default('ENABLED'),
  Targets: z.array(z.object({ Arn: z.string(), Input: z.string().optional() })).default([]),
});

/** Reads the schedules of a stack; rules that wait for events of other services have none. */
export function schedulesOf(stack: StackTemplate): Schedule[] {
  return stack.resourcesOf('AWS::Events::Rule', ruleSchema).flatMap(({ logicalId, properties }) => {
    const { ScheduleExpression: expression, State: state, Name: ruleName = logicalId } = properties;
    if (!expression || state !== 'ENABLED') return [];
    const everySeconds = rateSeconds(expression);
    return properties.Targets.map((target) => ({
      ruleName,
      functionArn: target.Arn,
      everySeconds,
      input: target.Input,
    }));
  });
}

/**
 * Ticks until stopped. A tick that falls into the run of the one before is left out.
 * @param tickSeconds how often here, for schedules that are slower than that: nobody who waits at a desk for a machine
 *   wants to wait for the next full minute
 */
export function startTicker(
  schedules: readonly Schedule[],
  tickSeconds: number,
  invoke: (functionArn: string, event: string) => Promise<unknown>,
): { stop(): void } {
  const timers = schedules.map((schedule) => {
    let running = false;
    const tick = async (): Promise<void> => {
      if (running) return;
      running = true;
      await invoke(schedule.functionArn, schedule.input ?? scheduledEvent(schedule.ruleName, new Date()));
      running = false;
    };
    return setInterval(() => void tick(), Math.min(schedule.everySeconds, tickSeconds) * 1_000);
  });
  return { stop: () => timers.forEach(clearInterval) };
}

/** What EventBridge sends for a schedule (EventBridge User Guide, "Scheduled Event"). */
function scheduledEvent(ruleName: string, now: Date): string {
  return JSON.stringify({
    version: '0',
    id: randomUUID(),
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: LOCAL_ACCOUNT,
    time: now.toISOString(),
    region: LOCAL_REGION,
    resources: [`arn:aws:events:${LOCAL_REGION}:${LOCAL_ACCOUNT}:rule/${ruleName}`],
    detail: {},
  });
}
