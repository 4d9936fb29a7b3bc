/**
 * Which of a fleet's three queues to ask next. High goes first, but a queue that was empty a moment ago rests for a
 * while, so that a busy agent makes one request a receive and not three; when all are empty, the queue that brought
 * something last is asked with a long poll.
 */
import { PRIORITIES, type Priority } from '../../core/ids.ts';

export interface Poll {
  readonly priority: Priority;
  readonly waitSeconds: number;
}

export interface PollScheduleOptions {
  readonly restSeconds: number;
  readonly longPollSeconds: number;
}

export class PollSchedule {
  readonly #options: PollScheduleOptions;
  readonly #restsUntil = new Map<Priority, number>();
  #favourite: Priority = 'normal';
  #emptyInARow = 0;

  constructor(options: PollScheduleOptions) {
    this.#options = options;
  }

  /** @param now milliseconds of any clock that `report` uses too */
  next(now: number): Poll {
    const priority = PRIORITIES.find((each) => now >= (this.#restsUntil.get(each) ?? 0));
    if (!priority) return { priority: this.#favourite, waitSeconds: this.#options.longPollSeconds };
    // A poll without waiting asks only some of SQS's servers and may miss a lone message (SQS, short polling); with
    // nothing to do, a second is well spent on asking them all.
    return { priority, waitSeconds: this.#emptyInARow >= PRIORITIES.length ? 1 : 0 };
  }

  report(priority: Priority, broughtSomething: boolean, now: number): void {
    if (broughtSomething) {
      this.#favourite = priority;
      this.#emptyInARow = 0;
      this.#restsUntil.delete(priority);
    } else {
      this.#emptyInARow += 1;
      this.#restsUntil.set(priority, now + this.#options.restSeconds * 1_000);
    }
  }
}
