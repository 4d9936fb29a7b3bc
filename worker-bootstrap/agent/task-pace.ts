/**
 * How long the tasks of a job take here, as measured: from it follows how many leases may wait on this machine for their
 * turn. They wait for at most a quarter of their lease, and for at most a few seconds, because what waits here is not
 * done by another machine meanwhile.
 */

/** Weight of the newest measurement. */
const NEWEST = 0.2;
const KEPT_JOBS = 100;
const MAX_WAIT_SECONDS = 5;
/** Two receives' worth: one is asked for while the other is worked on. */
const MAX_WAITING = 20;
/** No division by zero, and no faster than any agent is. */
const SHORTEST_SECONDS = 0.000_1;

export class TaskPace {
  readonly #means = new Map<string, number>();

  observe(jobId: string, seconds: number): void {
    const before = this.#means.get(jobId);
    // Last in the map is the job seen last.
    this.#means.delete(jobId);
    this.#means.set(jobId, before === undefined ? seconds : before + NEWEST * (seconds - before));
    for (const oldest of this.#means.keys()) {
      if (this.#means.size <= KEPT_JOBS) break;
      this.#means.delete(oldest);
    }
  }

  /** Seconds a task, `undefined` if none of the job has ended here. */
  meanSeconds(jobId: string): number | undefined {
    return this.#means.get(jobId);
  }

  /** How many tasks of the job may wait beside those that run. */
  waitingAllowed(jobId: string, slots: number, leaseSeconds: number): number {
    const mean = this.#means.get(jobId);
    if (mean === undefined) return 0;
    const seconds = Math.min(MAX_WAIT_SECONDS, leaseSeconds / 4);
    return Math.min(MAX_WAITING, Math.floor((slots * seconds) / Math.max(mean, SHORTEST_SECONDS)));
  }
}
