/** What can be switched: the rules that an emulator's faults follow. */
import { z } from 'zod';

export const FAULTED_SERVICES = ['sqs', 'dynamodb', 's3', 'states'] as const;

/**
 * - `throttle`: refused for being too many
 * - `conflict`: refused for meeting another write
 * - `unavailable`: an error of the service, before any effect
 * - `lost-response`: the effect, and then no answer: the connection ends, or an error is answered
 * - `partial`: of a batch, some entries are not carried out
 * - `duplicate`: a message is delivered a second time, its lease notwithstanding
 * - `stale`: an answer as it was a moment ago, where AWS promises no better
 * - `delay`: the answer takes longer
 */
const FAULT_KINDS = [
  'throttle',
  'conflict',
  'unavailable',
  'lost-response',
  'partial',
  'duplicate',
  'stale',
  'delay',
] as const;

export type FaultedService = (typeof FAULTED_SERVICES)[number];
export type FaultKind = (typeof FAULT_KINDS)[number];

const ruleSchema = z
  .strictObject({
    service: z.enum(FAULTED_SERVICES),
    /** As AWS calls it, such as `SendMessageBatch`; without it every operation that can meet the fault. */
    operation: z.string().min(1).optional(),
    kind: z.enum(FAULT_KINDS),
    /** Of a call that the rule is about; without it every one. */
    probability: z.number().min(0).max(1).optional(),
    /** At most so many faults; without it no end. */
    times: z.int().min(1).optional(),
    /** The same seed, and the same calls in the same order, make the same faults. Drawn when left out. */
    seed: z.int().optional(),
    /** How much longer the call takes, whatever its fault. Of `stale`: how old the answer may be (1000 if left out). */
    delayMs: z.int().min(0).max(600_000).optional(),
  })
  .refine((rule) => rule.kind !== 'delay' || rule.delayMs !== undefined, {
    path: ['delayMs'],
    error: 'a delay needs it',
  });

export const faultRulesSchema = z.array(ruleSchema);

export type FaultRule = z.input<typeof ruleSchema>;
