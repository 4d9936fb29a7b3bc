/** The faults that every service of the JSON protocol shows in the same way. */
import { AwsError } from '../protocol/aws-error.ts';
import type { JsonCall } from '../protocol/json-protocol.ts';
import { always, type Injection, ResponseLost, refusal } from './with-faults.ts';

export type JsonInjection = Injection<JsonCall, object>;

/** One of several, in turns. */
export function inTurns<Each>(all: readonly [Each, ...Each[]], nth: number): Each {
  return all[(nth - 1) % all.length] ?? all[0];
}

/** "Common Errors" of the API references: 503 `ServiceUnavailable`, and 500 under the service's own name for it. */
export const unavailable = (internalError: string): JsonInjection =>
  refusal((_call, { nth }) =>
    nth % 2 === 1
      ? new AwsError('ServiceUnavailable', 'The request has failed due to a temporary failure of the server.', {
          statusCode: 503,
        })
      : internal(internalError),
  );

/** The effect happens; then the connection ends or, every second time, an internal error is answered. */
export const lostResponse = (internalError: string): JsonInjection => ({
  applies: always,
  inject: async (call, next, { nth, giveBack }) => {
    try {
      await next(call);
    } catch (error) {
      // It had no effect: there is nothing to be silent about.
      giveBack();
      throw error;
    }
    throw nth % 2 === 1 ? new ResponseLost() : internal(internalError);
  },
});

const internal = (code: string): AwsError =>
  new AwsError(code, 'We encountered an internal error. Please try again.', { statusCode: 500 });

const REMEMBERED_ANSWERS = 500;
const USUAL_AGE_MS = 1_000;

/** A read is answered as the same read was answered a moment ago; one that was not, as it should. */
export function staleReads(applies: (call: JsonCall) => boolean, now: () => number): JsonInjection {
  /** Oldest first. */
  const answers = new Map<string, { readonly answer: object; readonly at: number }>();
  const questionOf = ({ operation, input }: JsonCall): string => `${operation} ${JSON.stringify(input)}`;
  return {
    applies,
    observe: (call, answer) => {
      const question = questionOf(call);
      answers.delete(question);
      answers.set(question, { answer, at: now() });
      for (const oldest of answers.keys()) {
        if (answers.size <= REMEMBERED_ANSWERS) return;
        answers.delete(oldest);
      }
    },
    inject: (call, next, { delayMs = USUAL_AGE_MS, giveBack }) => {
      const known = answers.get(questionOf(call));
      if (known !== undefined && now() - known.at <= delayMs) return known.answer;
      giveBack();
      return next(call);
    },
  };
}
