/**
 * How long one fleet, or one cloud, may keep a function waiting: a cloud that is gone does not refuse, it says nothing, and the
 * function has others to look after, and must live to write down what it saw.
 */
import { TransientError } from '../core/errors.ts';

/** The same promise, or a rejection when it takes longer. What was asked for may still happen. */
export type Patience = <Answer>(work: Promise<Answer>, seconds: number, what: string) => Promise<Answer>;

/** For a scaler that has as long as it likes: a test, or a world with a clock of its own. */
export const endlessPatience: Patience = (work) => work;

export const realPatience: Patience = async (work, seconds, what) => {
  let cancel: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    cancel = setTimeout(
      () => reject(new TransientError(`${what} gave no answer within ${seconds} s`)),
      seconds * 1_000,
    );
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(cancel);
  }
};
