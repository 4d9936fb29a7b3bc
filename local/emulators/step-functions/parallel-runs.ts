/**
 * Runs `count` pieces with at most `limit` at a time. The first failure ends the others (their signal aborts), starts no
 * further ones, and is thrown.
 */
export async function runPieces<Result>(
  count: number,
  limit: number,
  signal: AbortSignal,
  run: (index: number, signal: AbortSignal) => Promise<Result>,
): Promise<Result[]> {
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const results = new Array<Result>(count);
  let next = 0;
  const work = async () => {
    while (next < count) {
      either.throwIfAborted();
      const index = next;
      next += 1;
      results[index] = await run(index, either);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(limit, count) }, work));
    return results;
  } catch (error) {
    failure.abort(error);
    throw error;
  }
}
