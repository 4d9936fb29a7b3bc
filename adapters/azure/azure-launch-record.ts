/**
 * What came of an intent, kept in the bucket: Azure itself remembers nothing of a machine that is gone, and would make one of
 * the same name anew. Names alone see to it that an intent never has more machines at a time than it asks for.
 */
import { z } from 'zod';
import { LAUNCH_ERROR_KINDS, type LaunchOutcome } from '../../core/launch.ts';
import type { BlobStore } from '../../core/ports.ts';
import { parsedJson } from '../parsed-json.ts';

const outcomeSchema = z.object({
  launched: z.array(
    z.object({
      instanceId: z.string(),
      instanceType: z.string(),
      hourlyPriceUsd: z.number(),
      launchedAt: z.string(),
      slots: z.int().positive(),
    }),
  ),
  errors: z.array(
    z.object({
      code: z.string(),
      kind: z.enum(LAUNCH_ERROR_KINDS),
      message: z.string(),
      retryable: z.boolean(),
      pools: z.array(z.string()),
    }),
  ),
});

const keyOf = (intentId: string): string => `cache/azure-launches/${encodeURIComponent(intentId)}.json`;

/** `undefined` for an intent that nobody has carried out, as far as can be known. */
export async function readLaunch(blobs: Pick<BlobStore, 'get'>, intentId: string): Promise<LaunchOutcome | undefined> {
  const bytes = await blobs.get(keyOf(intentId)).catch(() => undefined);
  return bytes && outcomeSchema.safeParse(parsedJson(Buffer.from(bytes).toString('utf8'))).data;
}

/** An intent is asked for again by hardly anybody: that it could not be kept is no reason to fail. */
export const keepLaunch = (blobs: Pick<BlobStore, 'put'>, intentId: string, outcome: LaunchOutcome): Promise<void> =>
  blobs.put(keyOf(intentId), JSON.stringify(outcome), 'application/json').catch(() => undefined);
