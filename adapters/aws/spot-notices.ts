/**
 * What EC2 tells a spot instance: `spot/instance-action`, two minutes before the end, and a rebalance recommendation, when
 * the end has become more likely (Amazon EC2 User Guide, "Spot Instance interruption notices"). By IMDSv2: with a token.
 */
import { z } from 'zod';
import type { Clock, InstanceNotice, NoticeSource } from '../../core/ports.ts';
import { askMetadata, unexpected } from '../metadata/metadata-server.ts';
import { parsedJson } from '../parsed-json.ts';

const AWS_METADATA_URL = 'http://169.254.169.254';

const TOKEN_SECONDS = 21_600;
const TWO_MINUTES = 120;

const actionSchema = z.object({ action: z.string(), time: z.string() });

export interface AwsSpotNoticesOptions {
  readonly url?: string;
  readonly clock: Clock;
  /** The User Guide recommends every 5 s. */
  readonly pauseSeconds?: number;
}

export class AwsSpotNotices implements NoticeSource {
  readonly pauseSeconds: number;
  readonly #url: string;
  readonly #clock: Clock;
  #token: string | undefined;

  constructor({ url = AWS_METADATA_URL, clock, pauseSeconds = 5 }: AwsSpotNoticesOptions) {
    this.#url = url;
    this.#clock = clock;
    this.pauseSeconds = pauseSeconds;
  }

  async next(signal: AbortSignal): Promise<InstanceNotice | null> {
    const action = await this.#read('spot/instance-action', signal);
    if (action !== null) return this.#interruption(action);
    const advice = await this.#read('events/recommendations/rebalance', signal);
    return advice === null ? null : { kind: 'rebalance', reason: 'EC2 recommends to rebalance' };
  }

  #interruption(text: string): InstanceNotice {
    const parsed = actionSchema.safeParse(parsedJson(text));
    const endsAt = parsed.success ? Date.parse(parsed.data.time) : Number.NaN;
    // Even a notice that says nothing else says that the machine is going.
    const seconds = Number.isNaN(endsAt) ? TWO_MINUTES : (endsAt - this.#clock.now().getTime()) / 1_000;
    const secondsLeft = Math.max(0, Math.min(TWO_MINUTES, seconds));
    const action = parsed.success ? parsed.data.action : 'take back';
    return { kind: 'interruption', secondsLeft, reason: `spot interruption: EC2 will ${action} the instance` };
  }

  /** `null`: there is nothing of the kind. */
  async #read(path: string, signal: AbortSignal): Promise<string | null> {
    const url = `${this.#url}/latest/meta-data/${path}`;
    this.#token ??= await this.#newToken(signal);
    const answer = await askMetadata(url, { headers: { 'x-aws-ec2-metadata-token': this.#token }, signal });
    if (answer.status === 200) return answer.text;
    if (answer.status === 404) return null;
    // 401: the token has expired.
    this.#token = undefined;
    throw unexpected(url, answer);
  }

  async #newToken(signal: AbortSignal): Promise<string> {
    const url = `${this.#url}/latest/api/token`;
    const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_SECONDS) };
    const answer = await askMetadata(url, { method: 'PUT', headers, signal });
    if (answer.status !== 200) throw unexpected(url, answer);
    return answer.text;
  }
}
