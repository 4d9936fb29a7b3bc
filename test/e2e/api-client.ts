/** What a user's program would do: HTTP with a key, and waiting with a deadline. */
import type { JobView } from '../../functions/query/job-view.ts';
import type { TaskDetail } from '../../functions/query/task-view.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into answers of every shape
  readonly json: any;
}

export interface RequestOptions {
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is; anything but a string is sent as JSON. */
  readonly body?: unknown;
}

const ENDED = new Set(['COMPLETED', 'FAILED', 'CANCELLED']);

export class ApiClient {
  readonly #apiUrl: string;
  readonly #apiKey: string;

  constructor({ apiUrl, apiKey }: { apiUrl: string; apiKey: string }) {
    this.#apiUrl = apiUrl;
    this.#apiKey = apiKey;
  }

  async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const { key = this.#apiKey, headers = {}, body } = options;
    const response = await fetch(this.#apiUrl + path, {
      method,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /^application\/(?:problem\+)?json$/.test(response.headers.get('content-type')?.split(';')[0] ?? '');
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
  }

  async submit(job: unknown): Promise<string> {
    const answer = await this.request('POST', '/v1/jobs', { body: job });
    if (answer.status !== 202) throw new Error(`the job was refused: ${answer.text}`);
    return answer.json.jobId;
  }

  async job(jobId: string): Promise<JobView> {
    return (await this.request('GET', `/v1/jobs/${jobId}`)).json;
  }

  async task(taskId: string): Promise<TaskDetail> {
    return (await this.request('GET', `/v1/tasks/${taskId}`)).json;
  }

  async results(jobId: string, query = ''): Promise<TaskDetail[]> {
    const { text } = await this.request('GET', `/v1/jobs/${jobId}/results${query && `?${query}`}`);
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }

  /** The job when it has ended. */
  untilEnded(jobId: string, seconds = 60): Promise<JobView> {
    return until(`job ${jobId} has ended`, seconds, async () => {
      const job = await this.job(jobId);
      return ENDED.has(job.status) ? job : undefined;
    });
  }
}

/** Asks again until there is an answer. @throws Error naming what was waited for */
export async function until<Found>(
  what: string,
  seconds: number,
  look: () => Promise<Found | undefined>,
): Promise<Found> {
  const deadline = Date.now() + seconds * 1_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
