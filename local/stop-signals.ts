/** Ctrl-C and its kin: the first asks for an end in order, a second one for an end at once. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** npm hands on to its child the very Ctrl-C that the terminal has sent to both: one key press may come twice. */
const SAME_KEY_PRESS_MS = 1_000;

/** @param onFirst and `onSecond` are called at most once each */
export function onStopSignals(onFirst: (signal: NodeJS.Signals) => void, onSecond: () => void): void {
  let firstAt: number | undefined;
  let ended = false;
  const receive = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      onFirst(signal);
    } else if (!ended && now - firstAt > SAME_KEY_PRESS_MS) {
      ended = true;
      onSecond();
    }
  };
  for (const signal of SIGNALS) process.on(signal, receive);
  // A terminal that was closed takes no more output: that must not keep the end from being orderly.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
