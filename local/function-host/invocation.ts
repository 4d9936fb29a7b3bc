/** What goes into a function and what comes out, between the host and the thread that runs it. */

/** An unhandled error as Lambda reports it (Lambda Developer Guide, "Function errors"). */
export interface FunctionError {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace: readonly string[];
}

/** The JSON text that a function returned, or why there is none. */
export type Outcome =
  | { readonly kind: 'returned'; readonly payload: string }
  | { readonly kind: 'failed'; readonly error: FunctionError };

/** What a thread is started with. */
export interface ThreadData {
  readonly handlerFile: string;
  readonly handlerExport: string;
  readonly functionName: string;
  readonly functionArn: string;
  readonly memoryMiB: number;
}

/** To the thread: one invocation. It gets the next one only after it has answered this one. */
export interface ThreadRequest {
  readonly requestId: string;
  readonly event: string;
  readonly deadlineMs: number;
}

/** From the thread: that its module is loaded, then an outcome an invocation. */
export type ThreadReply =
  | { readonly kind: 'loaded' }
  | {
      readonly kind: 'answered';
      readonly requestId: string;
      readonly outcome: Outcome;
      /** What its heap has taken, garbage included, with what lies outside of it. */
      readonly usedMiB: number;
    };

/** Any thrown value as Lambda's runtime would report it. */
export function functionErrorOf(thrown: unknown): FunctionError {
  if (thrown instanceof Error) {
    return { errorType: thrown.name, errorMessage: thrown.message, trace: (thrown.stack ?? '').split('\n') };
  }
  return { errorType: typeof thrown, errorMessage: String(thrown), trace: [] };
}

export const failed = (errorType: string, errorMessage: string): Outcome => ({
  kind: 'failed',
  error: { errorType, errorMessage, trace: [] },
});
