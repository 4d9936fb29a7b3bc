import { randomBytes } from 'node:crypto';
import { AwsError } from '../protocol/aws-error.ts';
import type { JsonValue } from './json-value.ts';
import { StateError } from './state-error.ts';

/** A task that waits for its token to come back. */
export interface PendingToken {
  readonly token: string;
  /** Settles with the answer that comes with the token, or never. */
  readonly answer: Promise<JsonValue>;
  /** From now on the token is spent. */
  spend(): void;
}

interface LiveToken {
  readonly succeed: (output: JsonValue) => void;
  readonly fail: (error: StateError) => void;
  readonly beat: () => void;
}

/** The task tokens of this process: those that somebody waits for, and those that were spent. */
export class TaskTokens {
  readonly #live = new Map<string, LiveToken>();
  readonly #spent = new Set<string>();

  /** A fresh, unguessable token. `onHeartbeat` is called for each heartbeat that comes with it. */
  issue(onHeartbeat: () => void): PendingToken {
    const token = randomBytes(96).toString('base64url');
    const { promise, resolve, reject } = Promise.withResolvers<JsonValue>();
    // The task may have ended in another way by the time its answer fails.
    promise.catch(() => undefined);
    this.#live.set(token, { succeed: resolve, fail: reject, beat: onHeartbeat });
    return { token, answer: promise, spend: () => this.#spend(token) };
  }

  /** @throws {AwsError} `InvalidToken`, or `TaskTimedOut` for one that is spent */
  succeed(token: string, output: JsonValue): void {
    this.#find(token).succeed(output);
    this.#spend(token);
  }

  /** @throws {AwsError} as {@link succeed} */
  fail(token: string, error: string, cause: string): void {
    this.#find(token).fail(new StateError(error, cause));
    this.#spend(token);
  }

  /** @throws {AwsError} as {@link succeed} */
  beat(token: string): void {
    this.#find(token).beat();
  }

  #find(token: string): LiveToken {
    const live = this.#live.get(token);
    if (live !== undefined) return live;
    if (!this.#spent.has(token)) throw new AwsError('InvalidToken', "Invalid Token: 'Invalid token'");
    throw new AwsError('TaskTimedOut', "Task Timed Out: 'Provided task does not exist anymore'");
  }

  #spend(token: string): void {
    if (this.#live.delete(token)) this.#spent.add(token);
  }
}
