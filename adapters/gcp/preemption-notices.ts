/**
 * What Compute Engine tells a Spot VM: `instance/preempted` turns TRUE, and about 30 s later the machine is stopped
 * (Compute Engine, "Create and use Spot VMs"). The question is kept open until the value changes.
 */
import type { InstanceNotice, NoticeSource } from '../../core/ports.ts';
import { askMetadata, unexpected } from '../metadata/metadata-server.ts';

const GCP_METADATA_URL = 'http://metadata.google.internal';

const NOTICE_SECONDS = 30;
const WAIT_SECONDS = 60;

export interface GcpPreemptionNoticesOptions {
  readonly url?: string;
  readonly waitSeconds?: number;
  readonly pauseSeconds?: number;
}

export class GcpPreemptionNotices implements NoticeSource {
  /** Between two questions that wait: should one day none of them wait, no more than one a second is asked. */
  readonly pauseSeconds: number;
  readonly #url: string;
  readonly #waitSeconds: number;
  #etag: string | undefined;

  constructor({
    url = GCP_METADATA_URL,
    waitSeconds = WAIT_SECONDS,
    pauseSeconds = 1,
  }: GcpPreemptionNoticesOptions = {}) {
    this.#url = `${url}/computeMetadata/v1/instance/preempted`;
    this.#waitSeconds = waitSeconds;
    this.pauseSeconds = pauseSeconds;
  }

  async next(signal: AbortSignal): Promise<InstanceNotice | null> {
    // The first one does not wait: the value may have changed before. With the ETag none between two questions is missed.
    const wait = new URLSearchParams({
      wait_for_change: 'true',
      timeout_sec: String(this.#waitSeconds),
      last_etag: this.#etag ?? '',
    });
    const url = this.#etag === undefined ? this.#url : `${this.#url}?${wait}`;
    const timeoutMs = (this.#waitSeconds + 5) * 1_000;
    const answer = await askMetadata(url, { headers: { 'metadata-flavor': 'Google' }, timeoutMs, signal });
    if (answer.status !== 200) throw unexpected(this.#url, answer);
    this.#etag = String(answer.headers['etag'] ?? '0');
    if (answer.text.trim() !== 'TRUE') return null;
    const reason = 'spot interruption: Compute Engine preempts the instance';
    return { kind: 'interruption', secondsLeft: NOTICE_SECONDS, reason };
  }
}
