/** What a timer of Node can hold at most, in milliseconds; a longer one would fire at once. */
const longestTimeout = 2 ** 31 - 1;

/**
 * Calls back after any time, however long.
 *
 * @returns ends the timer
 */
export function startLongTimer(milliseconds: number, onDue: () => void): () => void {
  const dueAt = Date.now() + milliseconds;
  let timer: NodeJS.Timeout;
  const arm = () => {
    const left = dueAt - Date.now();
    timer = setTimeout(left > longestTimeout ? arm : onDue, Math.max(0, Math.min(left, longestTimeout)));
  };
  arm();
  return () => clearTimeout(timer);
}
