/** Pools that had nothing to rent, remembered for a while: the next launch asks elsewhere. Pure. */
import { z } from 'zod';
import type { LaunchError } from './launch.ts';

export const stockOutSchema = z.object({
  /** `poolOf` an offer. */
  pool: z.string(),
  until: z.iso.datetime(),
});
export type StockOut = z.infer<typeof stockOutSchema>;

/** Capacity comes back within minutes, or not for hours: a try now and then costs little. */
const SOLD_OUT_SECONDS = 600;
/** Enough for every type in every zone of a region; the row that holds them must not grow for ever. */
const MOST = 400;

export const soldOutPools = (stockOuts: readonly StockOut[], now: Date): ReadonlySet<string> =>
  new Set(stockOuts.filter((each) => Date.parse(each.until) > now.getTime()).map((each) => each.pool));

/** What is still remembered, and what the errors of a launch add to it. A used-up quota is as good as an empty pool. */
export function rememberStockOuts(
  stockOuts: readonly StockOut[],
  errors: readonly LaunchError[],
  now: Date,
): readonly StockOut[] {
  const refused = errors.filter(({ kind }) => kind === 'out-of-capacity' || kind === 'quota');
  return withSoldOut(
    stockOuts,
    refused.flatMap(({ pools }) => pools),
    now,
  );
}

export function withSoldOut(stockOuts: readonly StockOut[], pools: readonly string[], now: Date): readonly StockOut[] {
  const until = new Date(now.getTime() + SOLD_OUT_SECONDS * 1_000).toISOString();
  const fresh = [...new Set(pools)];
  const kept = stockOuts.filter((each) => Date.parse(each.until) > now.getTime() && !fresh.includes(each.pool));
  return [...fresh.map((pool) => ({ pool, until })), ...kept].slice(0, MOST);
}
