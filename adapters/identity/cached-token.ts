/** One token for many asks: kept, renewed before it expires, and asked for once however many want it at the same time. */
import type { Clock } from '../../core/ports.ts';

/** What is good until a time: a token, or credentials. */
export interface Expiring<Value> {
  readonly value: Value;
  readonly expiresAt: Date;
}

export interface CacheOptions {
  readonly clock: Clock;
  /** So long before it expires another one is asked for; never more than a quarter of its life ahead. */
  readonly renewSeconds?: number;
}

/**
 * Google's metadata server hands out the same token until 4 minutes before its end, so to ask earlier than that is of no
 * use: Google's own libraries take 3 minutes 45 (golang/oauth2, "google: update compute token refresh").
 */
const RENEW_SECONDS = 225;
/** A request on its way should not outlive its token. */
const SPARE_SECONDS = 30;
/** When no new one is to be had, the old one serves without another try for so long. */
const PATIENCE_SECONDS = 10;

/**
 * @param mint makes a new one; what it throws reaches whoever asks, unless the last one is still good
 * @example const token = cachedToken(() => mintSomewhere(), { clock });
 */
export function cachedToken<Value>(mint: () => Promise<Expiring<Value>>, options: CacheOptions): () => Promise<Value> {
  const { clock, renewSeconds = RENEW_SECONDS } = options;
  let kept: { readonly value: Value; readonly renewAt: number; readonly endsAt: number } | undefined;
  let patientUntil = 0;
  let asking: Promise<Value> | undefined;
  const now = (): number => clock.now().getTime();

  const renew = async (): Promise<Value> => {
    try {
      const { value, expiresAt } = await mint();
      const lifeMs = expiresAt.getTime() - now();
      const ahead = (seconds: number): number => expiresAt.getTime() - Math.min(seconds * 1_000, lifeMs / 4);
      kept = { value, renewAt: ahead(renewSeconds), endsAt: ahead(SPARE_SECONDS) };
      return value;
    } catch (error) {
      if (!kept || now() >= kept.endsAt) throw error;
      patientUntil = now() + PATIENCE_SECONDS * 1_000;
      return kept.value;
    }
  };

  return async () => {
    if (kept && (now() < kept.renewAt || (now() < patientUntil && now() < kept.endsAt))) return kept.value;
    asking ??= renew().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}
