/** What Lambda writes after every invocation ("Lambda Telemetry API Event schema reference", `platform.report`). */
import { z } from 'zod';
import type { Outcome } from './invocation.ts';

export const reportLineSchema = z.object({
  time: z.iso.datetime(),
  type: z.literal('platform.report'),
  record: z.object({
    requestId: z.string(),
    status: z.enum(['success', 'failure']),
    metrics: z.object({
      durationMs: z.number(),
      billedDurationMs: z.int(),
      memorySizeMB: z.number(),
      maxMemoryUsedMB: z.number(),
    }),
  }),
});
export type ReportLine = z.infer<typeof reportLineSchema>;

interface Invocation {
  readonly requestId: string;
  /** With the time to load the function, where it had to be loaded: that is billed as well. */
  readonly durationMs: number;
  readonly memoryMiB: number;
  readonly usedMiB: number;
  readonly outcome: Outcome;
}

export const reportLine = ({ requestId, durationMs, memoryMiB, usedMiB, outcome }: Invocation): ReportLine => ({
  time: new Date().toISOString(),
  type: 'platform.report',
  record: {
    requestId,
    status: outcome.kind === 'returned' ? 'success' : 'failure',
    metrics: {
      durationMs: Number(durationMs.toFixed(2)),
      billedDurationMs: Math.ceil(durationMs),
      memorySizeMB: memoryMiB,
      maxMemoryUsedMB: usedMiB,
    },
  },
});
