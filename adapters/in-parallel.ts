/** Runs `work` over every item, at most `limit` at a time; results in the order of the items. The first failure rejects. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  const lane = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item, index);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return results;
}

/** `[1,2,3,4,5]` by 2 → `[[1,2],[3,4],[5]]`. */
export function chunked<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size));
}

/** In order, in batches of at most so many items and bytes; an item that is heavier than a batch goes alone. */
export function batched<Item>(
  items: readonly Item[],
  most: { readonly items: number; readonly bytes: number },
  weigh: (item: Item) => number,
): Item[][] {
  const batches: Item[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const last = batches.at(-1);
    const weight = weigh(item);
    if (last && last.length < most.items && bytes + weight <= most.bytes) {
      last.push(item);
      bytes += weight;
    } else {
      batches.push([item]);
      bytes = weight;
    }
  }
  return batches;
}
