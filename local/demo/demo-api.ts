/** The HTTP API as far as the demo uses it; every answer is checked for what the demo reads of it. */
import { z } from 'zod';

const submittedSchema = z.object({ jobId: z.string(), taskCount: z.number() });
const count = z.number().int().nonnegative();
const jobSchema = z.object({
  status: z.string(),
  statusReason: z.string().nullish(),
  counters: z.object({ pending: count, running: count, completed: count, failed: count, cancelled: count }),
});
export type JobState = z.infer<typeof jobSchema>;

const instancesSchema = z.object({ instances: z.array(z.object({ instanceId: z.string(), state: z.string() })) });
export type InstanceState = z.infer<typeof instancesSchema>['instances'][number];

const resultLineSchema = z.object({
  key: z.string().nullable(),
  index: z.number(),
  status: z.string(),
  seconds: z.number().nullable(),
  instanceId: z.string().nullable(),
  failure: z.object({ message: z.string() }).nullable(),
  result: z
    .object({ words: z.number(), unique: z.number(), top: z.array(z.tuple([z.string(), z.number()])) })
    .nullable(),
});
export type ResultLine = z.infer<typeof resultLineSchema>;

export class DemoApi {
  readonly #url: string;
  readonly #key: string;
  readonly #signal: AbortSignal;

  constructor({ url, key, signal }: { url: string; key: string; signal: AbortSignal }) {
    this.#url = url;
    this.#key = key;
    this.#signal = signal;
  }

  async submit(document: object, idempotencyKey: string): Promise<z.infer<typeof submittedSchema>> {
    const text = await this.#call('POST', '/v1/jobs', {
      headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
      body: JSON.stringify(document),
    });
    return submittedSchema.parse(JSON.parse(text));
  }

  async job(jobId: string): Promise<JobState> {
    return jobSchema.parse(JSON.parse(await this.#call('GET', `/v1/jobs/${jobId}`)));
  }

  async instances(): Promise<readonly InstanceState[]> {
    return instancesSchema.parse(JSON.parse(await this.#call('GET', '/v1/instances'))).instances;
  }

  /** In task order: the answer is JSON Lines. */
  async results(jobId: string): Promise<readonly ResultLine[]> {
    const text = await this.#call('GET', `/v1/jobs/${jobId}/results`);
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.map((line) => resultLineSchema.parse(JSON.parse(line)));
  }

  /** @throws Error with the answer when it is no success */
  async #call(method: string, path: string, init: { headers?: Record<string, string>; body?: string } = {}) {
    const headers = { authorization: `Bearer ${this.#key}`, ...init.headers };
    const response = await fetch(this.#url + path, { ...init, method, headers, signal: this.#signal });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 1_000)}`);
    return text;
  }
}
