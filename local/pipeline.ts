/**
 * The whole pipeline on this machine: emulators, function host, and the machines that the scaler launches. `npm start`,
 * the demo and the end-to-end tests all start it here.
 *
 * The order of a start: the host opens its ports, the emulators start (they must know where functions are invoked), the
 * stack is made on them, the host is told where everything is. The order of a stop follows who launches whom: the host
 * first, so that nothing launches any more, then the machines, then the emulators.
 */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { z } from 'zod';
import { counted } from '../core/counted.ts';
import { type FleetsFile, fleetsOf } from '../core/fleet.ts';
import { endLocalInstances, localInstancesLeft } from './end-local-instances.ts';
import type { HostConfiguration } from './function-host/host-configuration.ts';
import { describeRun, type LocalDescription, writeLocalDescription } from './local-description.ts';
import { type MetadataStub, startMetadataStub } from './metadata-stub.ts';
import { type PackagedAgent, packageAgent } from './package-agent.ts';
import { type PackagedStack, packageStack } from './package-stack.ts';
import { LOCAL_ACCOUNT } from './physical-names.ts';
import {
  fleetsFileOfRun,
  functionOverrides,
  type MachineEndpoints,
  type PipelineOptions,
  tickSecondsOf,
} from './pipeline-options.ts';
import { checkPorts, type Ports, portsFrom } from './ports.ts';
import { COMPILE_CACHE } from './project-root.ts';
import { RunDirectory } from './run-directory.ts';
import type { StandingStack } from './set-up-stack.ts';
import { PartError, SupervisedProcess, tailOf } from './supervised-process.ts';

export interface Pipeline {
  readonly local: LocalDescription;
  /** Takes machines back, with notice or without. */
  readonly metadata: Pick<MetadataStub, 'interrupt' | 'rebalance' | 'vanish'>;
  /** Resolves, with what to tell, when a part ends by itself. Never rejects. */
  readonly failure: Promise<PartError>;
  /** Ends everything in order, machines and their tasks included. May be called again. */
  stop(): Promise<void>;
  /** Ends everything at once, without order. */
  kill(): Promise<void>;
  /** Kills the function host as a crash would, and starts it again at the same addresses. */
  crashHost(): Promise<void>;
  /** The process groups of machines that are still there. */
  machinesLeft(): Promise<readonly number[]>;
  /** The processes of this run that are still there: the parts, and the process groups of machines. */
  processesLeft(): Promise<readonly number[]>;
}

const listeningSchema = z.object({ listening: z.literal(true), apiUrl: z.string(), lambdaUrl: z.string() });
const emulatorsSchema = z.object({
  ready: z.literal(true),
  sqsUrl: z.string(),
  dynamodbUrl: z.string(),
  s3Url: z.string(),
  statesUrl: z.string(),
});
const configuredSchema = z.union([z.object({ ready: z.literal(true) }), z.object({ failed: z.string() })]);

type HostUrls = z.infer<typeof listeningSchema>;
type EmulatorUrls = z.infer<typeof emulatorsSchema>;

/** A machine under load starts slowly; what takes longer than this is stuck. */
const START_LIMIT_MS = 30_000;
/** The host lets requests and invocations run on for a few seconds, in three steps. */
const HOST_GRACE_MS = 12_000;
const EMULATORS_GRACE_MS = 3_000;
const LEAVING_MS = 5_000;

/**
 * Starts everything, and resolves when the API answers.
 * @throws Error in one line for people (a taken port, a folder in use); PartError naming the part that failed and its
 *   log. Nothing is left running then.
 */
export async function startPipeline(options: PipelineOptions = {}): Promise<Pipeline> {
  const run = new PipelineRun(options);
  try {
    return await run.start();
  } catch (error) {
    await run.stop();
    throw error;
  }
}

class PipelineRun {
  readonly #options: PipelineOptions;
  readonly #directory: RunDirectory;
  readonly #signal: AbortSignal;
  /** Rejects when a part fails or the start is aborted: whatever is waited for is raced against it. */
  readonly #trouble = Promise.withResolvers<never>();
  readonly #failure = Promise.withResolvers<PartError>();
  #host: SupervisedProcess | undefined;
  #configuration: HostConfiguration | undefined;
  #emulators: SupervisedProcess | undefined;
  #metadata: MetadataStub | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#directory = new RunDirectory(options.dataDirectory);
    this.#signal = options.signal ?? new AbortController().signal;
    this.#trouble.promise.catch(() => undefined);
    this.#signal.addEventListener('abort', () => this.#trouble.reject(this.#signal.reason));
  }

  async start(): Promise<Pipeline> {
    this.#signal.throwIfAborted();
    const ports = portsFrom(this.#options.basePort ?? 0);
    const fleetsFile = await fleetsFileOfRun(this.#options);
    const fleets = fleetsOf(fleetsFile);
    await this.#directory.take();
    await checkPorts(ports);
    // Loading the SDK takes longer than anything else here: it is done while the others start.
    enableCompileCache(COMPILE_CACHE);
    const setUp = loadSetUp();
    setUp.catch(() => undefined);
    const [packaged, agent, urls] = await Promise.all([
      this.#safely(this.#package()),
      this.#safely(packageAgent(this.#signal)),
      this.#startProcesses(ports),
    ]);

    this.#tell('making queues, tables and the state machine');
    const queueUrlPrefix = `${urls.sqsUrl}/${LOCAL_ACCOUNT}/`;
    const endpoints = { sqs: urls.sqsUrl, dynamodb: urls.dynamodbUrl, s3: urls.s3Url, states: urls.statesUrl };
    const { setUpStack, takeOverOpenJobs } = await setUp;
    const { reportVisibilitySeconds } = this.#options;
    const apiKey = await this.#directory.apiKey();
    const overrides = { queueUrlPrefix, apiKey, reportVisibilitySeconds, fleets: fleets.map(({ name }) => name) };
    const stack = await this.#safely(setUpStack(packaged.templatePath, endpoints, overrides));

    this.#tell('starting the functions');
    const metadata = await startMetadataStub(this.#directory.instances);
    this.#metadata = metadata;
    const machines = { ...endpoints, metadata: metadata.url };
    await this.#configureHost(
      await this.#hostConfiguration({ packaged, agent, endpoints, machines, queueUrlPrefix, fleetsFile }),
    );
    await this.#safely(untilHealthy(urls.apiUrl, join(this.#directory.logs, 'functions')));
    // Only now: executions call functions.
    await this.#takeOver(takeOverOpenJobs, stack, endpoints);
    const local = describeRun({
      urls: { ...urls, metadataUrl: metadata.url },
      queueUrlPrefix,
      stack,
      apiKey,
      fleets,
      logsDirectory: this.#directory.logs,
    });
    await writeLocalDescription(this.#directory.root, local);
    return {
      local,
      metadata,
      failure: this.#failure.promise,
      stop: () => this.stop(),
      kill: () => this.kill(),
      crashHost: () => this.#crashHost(urls),
      machinesLeft: () => localInstancesLeft(this.#directory.instances),
      processesLeft: () => this.#processesLeft(),
    };
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async kill(): Promise<void> {
    this.#host?.kill();
    await endLocalInstances(this.#directory.instances, 0);
    this.#emulators?.kill();
    await this.#metadata?.stop();
    await this.#directory.leave();
  }

  async #stop(): Promise<void> {
    if (!this.#directory.taken) return;
    await this.#host?.stop(HOST_GRACE_MS);
    await endLocalInstances(this.#directory.instances);
    await this.#emulators?.stop(EMULATORS_GRACE_MS);
    await this.#metadata?.stop();
    await this.#directory.leave();
  }

  /** A machine that is just tidying up after itself is given a moment. */
  async #processesLeft(): Promise<number[]> {
    const deadline = Date.now() + LEAVING_MS;
    for (;;) {
      const parts = [this.#host, this.#emulators].flatMap((part) => (part?.running && part.pid ? [part.pid] : []));
      const left = [...parts, ...(await localInstancesLeft(this.#directory.instances))];
      if (left.length === 0 || Date.now() > deadline) return left;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #package(): Promise<PackagedStack> {
    const slow = setTimeout(() => this.#tell('packaging the stack, which takes a few seconds'), 500);
    try {
      return await packageStack(this.#signal);
    } finally {
      clearTimeout(slow);
    }
  }

  async #startProcesses(ports: Ports): Promise<HostUrls & EmulatorUrls> {
    this.#tell('starting the emulators');
    const hostUrls = await this.#startHost(ports);
    this.#emulators = this.#launch('the emulators', 'emulators', {
      'sqs-port': ports.sqs,
      'dynamodb-port': ports.dynamodb,
      's3-port': ports.s3,
      'states-port': ports.states,
      data: this.#directory.data,
      'lambda-endpoint': hostUrls.lambdaUrl,
    });
    return { ...hostUrls, ...(await this.#safely(this.#emulators.receive(emulatorsSchema, START_LIMIT_MS))) };
  }

  async #startHost(ports: Pick<Ports, 'api' | 'lambda'>): Promise<HostUrls> {
    const settings = { 'api-port': ports.api, 'lambda-port': ports.lambda };
    this.#host = this.#launch('the function host', 'function-host', settings);
    return this.#safely(this.#host.receive(listeningSchema, START_LIMIT_MS));
  }

  async #crashHost({ apiUrl, lambdaUrl }: HostUrls): Promise<void> {
    const configuration = this.#configuration;
    if (configuration === undefined || this.#stopped !== undefined) return;
    this.#host?.kill();
    await this.#host?.stop(0);
    await this.#startHost({ api: Number(new URL(apiUrl).port), lambda: Number(new URL(lambdaUrl).port) });
    await this.#configureHost(configuration);
  }

  #launch(name: string, folder: string, settings: Readonly<Record<string, string | number>>): SupervisedProcess {
    const part = new SupervisedProcess({
      name,
      script: join(import.meta.dirname, folder, 'main.ts'),
      args: Object.entries(settings).flatMap(([option, value]) => [`--${option}`, String(value)]),
      logPath: join(this.#directory.logs, `${folder}.log`),
    });
    void part.failure.then((error) => {
      this.#failure.resolve(error);
      this.#trouble.reject(error);
    });
    return part;
  }

  async #hostConfiguration(known: {
    packaged: PackagedStack;
    agent: PackagedAgent;
    endpoints: HostConfiguration['endpoints'];
    machines: MachineEndpoints;
    queueUrlPrefix: string;
    fleetsFile: FleetsFile;
  }): Promise<HostConfiguration> {
    const { packaged, agent, endpoints, machines, queueUrlPrefix, fleetsFile } = known;
    const { taskRoot, logs, instances } = this.#directory;
    await this.#directory.writeFleets(fleetsFile);
    return {
      ...packaged,
      taskRoot,
      logsDirectory: logs,
      queueUrlPrefix,
      endpoints,
      environment: functionOverrides(this.#options, this.#directory, agent, machines),
      tickSeconds: tickSecondsOf(this.#options),
      instancesDirectory: instances,
    };
  }

  async #configureHost(configuration: HostConfiguration): Promise<void> {
    this.#configuration = configuration;
    const host = this.#host;
    if (!host) throw new Error('the function host was not started');
    const answer = host.receive(configuredSchema, START_LIMIT_MS);
    host.send({ configure: configuration });
    const reply = await this.#safely(answer);
    if ('failed' in reply) throw new Error(`the function host cannot run this stack: ${reply.failed}`);
  }

  /** Waits for work, but no longer than all parts are well and nobody aborts. */
  #safely<Result>(work: Promise<Result>): Promise<Result> {
    return Promise.race([work, this.#trouble.promise]);
  }

  async #takeOver(
    takeOverOpenJobs: typeof import('./open-jobs.ts')['takeOverOpenJobs'],
    { tables, stateMachineArn }: StandingStack,
    endpoints: HostConfiguration['endpoints'],
  ): Promise<void> {
    const keep = this.#options.keep ?? false;
    const jobsTable = tables['JobsTable'] ?? '';
    const open = await this.#safely(takeOverOpenJobs({ endpoints, jobsTable, stateMachineArn, keep }));
    const jobs = `${counted(open, 'job')} of an earlier run`;
    if (open > 0) this.#tell(keep ? `going on with ${jobs}` : `closing ${jobs} (--keep goes on with them)`);
  }

  #tell(line: string): void {
    this.#options.onProgress?.(line);
  }
}

/** Both load the AWS SDK. */
async function loadSetUp() {
  const [{ setUpStack }, { takeOverOpenJobs }] = await Promise.all([
    import('./set-up-stack.ts'),
    import('./open-jobs.ts'),
  ]);
  return { setUpStack, takeOverOpenJobs };
}

/** The host is there and each answer is from a function: one that is no success twice will not become one. */
async function untilHealthy(apiUrl: string, logsDirectory: string): Promise<void> {
  let status = 0;
  for (let tries = 0; tries < 2; tries += 1) {
    const response = await fetch(`${apiUrl}/health`);
    await response.arrayBuffer();
    status = response.status;
    if (response.ok) return;
  }
  const log = join(logsDirectory, 'query.log');
  throw new PartError(`the functions do not run: GET /health answers ${status}; see ${log}${await tailOf(log)}`);
}
