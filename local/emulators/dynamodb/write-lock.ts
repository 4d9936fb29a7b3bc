/** Runs tasks one after another, in the order in which they came. A failed one does not stop the next. */
export class WriteLock {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
