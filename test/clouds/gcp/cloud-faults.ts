/** What a server for tests is told to do wrong: the next calls that a rule names meet it. */
import { z } from 'zod';

export const faultRuleSchema = z.strictObject({
  /** Only calls of this name, such as `pull`; all of them when absent. */
  operation: z.string().optional(),
  times: z.int().positive(),
  /** Answered instead of doing anything. */
  status: z.int().min(400).max(599).optional(),
  /** Done, and the connection ends before the answer. */
  lost: z.boolean().optional(),
});
export type FaultRule = z.infer<typeof faultRuleSchema>;

export const faultsSchema = z.strictObject({
  rules: z.array(faultRuleSchema).default([]),
  down: z.boolean().default(false),
});

export type Fault = 'down' | 'lost' | number;

/** `PUT` or `DELETE` them here, at any of the servers. */
export const FAULTS_PATH = '/_shoal/faults';

export class CloudFaults {
  /** Every connection ends at once. */
  down = false;
  #rules: { rule: FaultRule; left: number }[] = [];

  set(...rules: FaultRule[]): void {
    this.#rules = rules.map((rule) => ({ rule, left: rule.times }));
  }

  clear(): void {
    this.down = false;
    this.#rules = [];
  }

  /** How many times the rules are still to be met. */
  get left(): number {
    return this.#rules.reduce((sum, { left }) => sum + left, 0);
  }

  draw(operation: string): Fault | undefined {
    if (this.down) return 'down';
    const met = this.#rules.find(({ rule, left }) => left > 0 && (rule.operation ?? operation) === operation);
    if (!met) return undefined;
    met.left -= 1;
    return met.rule.lost ? 'lost' : (met.rule.status ?? 503);
  }
}
