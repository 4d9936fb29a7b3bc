/** Listens to what the provider says of the machine's end, and acts on it. */
import type { InstanceNotice, NoticeSource } from '../../core/ports.ts';
import type { AgentClock } from './clock.ts';
import type { Lifecycle } from './lifecycle.ts';
import { type Log, messageOf } from './log.ts';
import { backoffMs } from './retry.ts';
import { sleep } from './sleep.ts';

export interface NoticeTools {
  readonly lifecycle: Lifecycle;
  readonly clock: AgentClock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

export interface NoticeWatch {
  /** Ends it: the machine's work is over, and its provider may know. */
  end(): Promise<void>;
}

/** Asks from now on. A provider that cannot be asked is asked again; that is no reason not to work. */
export function watchNotices(source: NoticeSource, tools: NoticeTools): NoticeWatch {
  const stop = new AbortController();
  const listening = listen(source, tools, stop.signal);
  return {
    async end() {
      stop.abort();
      await listening;
      if (!tools.lifecycle.isTakenBack) return;
      await source
        .letGo?.()
        .catch((error: unknown) =>
          tools.log.warn('the provider was not told that it may go on', { error: messageOf(error) }),
        );
    },
  };
}

async function listen(source: NoticeSource, tools: NoticeTools, stop: AbortSignal): Promise<void> {
  const { lifecycle, clock, random, log } = tools;
  let failures = 0;
  while (!stop.aborted && !lifecycle.isTakenBack) {
    try {
      heed(await source.next(stop), tools);
      failures = 0;
    } catch (error) {
      failures += 1;
      // Once: where there is no such server, there will be none later.
      if (failures === 1 && !stop.aborted)
        log.warn('the provider cannot be asked for notices', { error: messageOf(error) });
    }
    await sleep(clock, failures > 0 ? backoffMs(failures, random()) : source.pauseSeconds * 1_000, stop);
  }
}

function heed(notice: InstanceNotice | null, { lifecycle, log }: NoticeTools): void {
  if (notice?.kind === 'interruption') {
    const { reason, secondsLeft } = notice;
    log.warn('the provider takes the machine back', { reason, secondsLeft });
    lifecycle.takeBack(reason, secondsLeft);
  } else if (notice) lifecycle.drain(notice.reason);
}
