/**
 * The function host: runs the packaged functions of a stack and everything that invokes them, in one process.
 *
 * It starts in two steps, because its own address must be known to the emulators before theirs can be known to it:
 * `listen` opens the ports (every request is answered 503 until then), `configure` brings the functions and their triggers.
 */
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { END_POLLS_PATH } from '../emulators/sqs/operator-paths.ts';
import { LOCAL_REGION } from '../physical-names.ts';
import { readStackTemplate, type StackTemplate } from '../template.ts';
import { API_BODY_LIMIT_BYTES, apiDefinitionOf, apiFront } from './api-front.ts';
import { AsyncInvocations } from './async-invocations.ts';
import { functionEnvironment, LOCAL_CREDENTIALS } from './function-environment.ts';
import { FunctionPool } from './function-pool.ts';
import { functionSpecsOf } from './function-spec.ts';
import type { HostConfiguration } from './host-configuration.ts';
import { type HttpAnswer, type HttpRequest, type HttpServer, jsonAnswer, serveHttp } from './http-server.ts';
import { failed, type Outcome } from './invocation.ts';
import { functionNameOf, invokeFront } from './invoke-front.ts';
import { queueMappingsOf } from './queue-mappings.ts';
import { QueuePoller } from './queue-poller.ts';
import { schedulesOf, startTicker } from './ticker.ts';

type Front = (request: HttpRequest) => Promise<HttpAnswer>;

const notReady: Front = async () => jsonAnswer(503, { message: 'Service Unavailable' });

/** How long a stop lets requests and invocations run on. */
const GRACE_MS = 3_000;

export class FunctionHost {
  readonly #pools = new Map<string, FunctionPool>();
  readonly #later = new AsyncInvocations();
  readonly #servers: { api: HttpServer; lambda: HttpServer };
  readonly #fronts: { api: Front; lambda: Front };
  #pollers: QueuePoller[] = [];
  #ticker: { stop(): void } | undefined;

  private constructor(servers: { api: HttpServer; lambda: HttpServer }, fronts: { api: Front; lambda: Front }) {
    this.#servers = servers;
    this.#fronts = fronts;
  }

  /** Opens both ports, 0 for free ones. @throws Error naming the service whose port is taken */
  static async listen(ports: { api: number; lambda: number }): Promise<FunctionHost> {
    const fronts = { api: notReady, lambda: notReady };
    const limits = { bodyLimitBytes: API_BODY_LIMIT_BYTES };
    const api = await serveHttp({ service: 'api', port: ports.api, ...limits }, (request) => fronts.api(request));
    try {
      const service = { service: 'lambda', port: ports.lambda, ...limits };
      const lambda = await serveHttp(service, (request) => fronts.lambda(request));
      return new FunctionHost({ api, lambda }, fronts);
    } catch (error) {
      await api.stop(0);
      throw error;
    }
  }

  get apiUrl(): string {
    return this.#servers.api.url;
  }

  get lambdaUrl(): string {
    return this.#servers.lambda.url;
  }

  /** Brings up the functions of a stack, and whatever invokes them. @throws Error for a stack that cannot run here */
  async configure(configuration: HostConfiguration, onError: (error: unknown) => void): Promise<void> {
    const { queueUrlPrefix } = configuration;
    const stack = await readStackTemplate(configuration.templatePath, { queueUrlPrefix });
    await this.#makePools(stack, configuration, onError);
    this.#fronts.lambda = invokeFront((name) => this.#pools.get(name), this.#later);
    this.#fronts.api = apiFront(apiDefinitionOf(stack), (arn, event) => this.#invoke(arn, event));
    const invoke = (arn: string, event: string): Promise<Outcome> => this.#invoke(arn, event);
    const sqs = await makeSqsClient(configuration.endpoints.sqs);
    const endPolls = async (): Promise<void> => {
      // Queues that are gone hold no poll.
      await fetch(configuration.endpoints.sqs + END_POLLS_PATH, { method: 'POST' }).catch(() => undefined);
    };
    this.#pollers = queueMappingsOf(stack).map((mapping) => {
      const queueUrl = `${queueUrlPrefix}${mapping.queueName}`;
      return new QueuePoller({
        sqs,
        queueUrl,
        mapping,
        invoke: (event) => invoke(mapping.functionArn, event),
        endPolls,
        onError,
      });
    });
    this.#ticker = startTicker(schedulesOf(stack), configuration.tickSeconds, invoke);
  }

  /** Lets nothing new begin, waits a few seconds for what runs, then ends every function. */
  async stop(): Promise<void> {
    this.#ticker?.stop();
    const pools = [...this.#pools.values()];
    await Promise.all([
      this.#servers.api.stop(GRACE_MS),
      Promise.race([Promise.all(this.#pollers.map((poller) => poller.stop())), graceIsOver()]),
    ]);
    // Last: until here a running function may still invoke another one.
    await this.#servers.lambda.stop(GRACE_MS);
    const stopped = Promise.all(pools.map((pool) => pool.stop(GRACE_MS)));
    await this.#later.stop();
    await stopped;
  }

  #invoke(arn: string, event: string): Promise<Outcome> {
    const pool = this.#pools.get(functionNameOf(arn));
    if (pool) return pool.invoke(event);
    return Promise.resolve(failed('ResourceNotFoundException', `Function not found: ${arn}`));
  }

  async #makePools(
    stack: StackTemplate,
    configuration: HostConfiguration,
    onError: (error: unknown) => void,
  ): Promise<void> {
    const logsDirectory = join(configuration.logsDirectory, 'functions');
    await mkdir(logsDirectory, { recursive: true });
    for (const spec of functionSpecsOf(stack, configuration.functionsDirectory)) {
      const environment = functionEnvironment(spec, configuration, this.lambdaUrl, process.env);
      const log = createWriteStream(join(logsDirectory, `${spec.shortName}.log`), { flags: 'a' });
      // A full disk, or a last word of a thread after the end: no reason to end the host.
      log.on('error', onError);
      this.#pools.set(spec.name, new FunctionPool({ ...spec, environment }, log));
    }
  }
}

const graceIsOver = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, GRACE_MS).unref());

/** Loaded only now: the SDK takes longer to load than all the rest of this process, and the ports must open first. */
async function makeSqsClient(endpoint: string): Promise<SQSClient> {
  const { createSqsClient } = await import('../../adapters/aws/clients.ts');
  return createSqsClient({ endpoint, region: LOCAL_REGION, credentials: { ...LOCAL_CREDENTIALS } });
}
