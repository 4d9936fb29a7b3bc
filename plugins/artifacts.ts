// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of CloudFormation, not of this language.
/**
 * Serverless plugin: what machines run (`bootstrap.sh` and the agent) under its hash in the data bucket.
 *
 * - `${artifacts:agent}` and `${artifacts:bootstrap}` are the SHA-256 of the two, made from the sources.
 * - Packaging lays them beside the functions' packages, and a deployment uploads them before the stack is updated, so that
 *   nothing ever refers to what is not there. Old ones stay: machines that run were started with them.
 * - The bucket is part of the stack, and a first deployment has none yet. The framework creates a stack in two steps, the
 *   first with nothing but a place for packages: the data bucket is made in that step too.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { PutObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { buildAgent } from '../worker-bootstrap/build.ts';

const BUCKET = 'DataBucket';
const CORE_TEMPLATE = 'cloudformation-template-create-stack.json';
const NAMES = { agent: 'agent.mjs', bootstrap: 'bootstrap.sh' } as const;
type ArtifactName = keyof typeof NAMES;

export interface Artifact {
  /** In the bucket. */
  readonly key: string;
  readonly sha256: string;
  readonly content: Buffer;
}

interface Template {
  readonly Resources: Record<string, { readonly Properties?: { readonly BucketName?: unknown } }>;
}

interface Serverless {
  readonly serviceDir: string;
  readonly service: {
    readonly package: { readonly path?: string };
    readonly provider: {
      readonly compiledCloudFormationTemplate: Template;
      readonly coreCloudFormationTemplate: Template;
    };
  };
  getProvider(name: 'aws'): {
    getRegion(): string;
    getAccountId(): Promise<string>;
    getAwsSdkV3Config(): Promise<S3ClientConfig>;
  };
}

/** The two artifacts of a checkout. The same sources make the same bytes. */
export async function makeArtifacts(root: string): Promise<Readonly<Record<ArtifactName, Artifact>>> {
  const workshop = await mkdtemp(join(tmpdir(), 'shoal-artifacts-'));
  try {
    const { path } = await buildAgent(join(workshop, NAMES.agent), join(root, 'worker-bootstrap/agent/main.ts'));
    const [agent, bootstrap] = await Promise.all([
      readFile(path),
      readFile(join(root, 'worker-bootstrap', NAMES.bootstrap)),
    ]);
    return { agent: artifactOf('agent', agent), bootstrap: artifactOf('bootstrap', bootstrap) };
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

function artifactOf(name: ArtifactName, content: Buffer): Artifact {
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { key: `artifacts/${sha256}/${NAMES[name]}`, sha256, content };
}

/** By service directory: the framework asks for each variable by itself, and makes the plugin after it asked. */
const made = new Map<string, ReturnType<typeof makeArtifacts>>();
export function artifactsOf(root: string): ReturnType<typeof makeArtifacts> {
  const known = made.get(root) ?? makeArtifacts(root);
  made.set(root, known);
  return known;
}

async function resolve(request: { address: string; serviceDir: string }): Promise<{ value: string }> {
  const { address } = request;
  if (address !== 'agent' && address !== 'bootstrap') {
    throw new Error(`\${artifacts:${address}} is unknown: there are \${artifacts:agent} and \${artifacts:bootstrap}`);
  }
  return { value: (await artifactsOf(request.serviceDir))[address].sha256 };
}

/** The bucket's name, as CloudFormation will make it of the template. @throws Error when the template says it otherwise */
export function bucketNameIn(template: Template, account: string, region: string): string {
  const name = template.Resources[BUCKET]?.Properties?.BucketName as { 'Fn::Sub'?: unknown } | undefined;
  const pattern = name?.['Fn::Sub'];
  if (typeof pattern !== 'string') throw new Error(`the template has no ${BUCKET} whose BucketName is a !Sub`);
  return pattern.replaceAll('${AWS::AccountId}', account).replaceAll('${AWS::Region}', region);
}

export default class ArtifactsPlugin {
  readonly configurationVariablesSources = { artifacts: { resolve } };
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;
  readonly #serverless: Serverless;
  readonly #options: { readonly package?: string };

  constructor(serverless: Serverless, options: { package?: string }) {
    this.#serverless = serverless;
    this.#options = options;
    this.hooks = {
      'after:aws:package:finalize:mergeCustomProviderResources': () => this.#makeBucketFirst(),
      'after:package:finalize': () => this.#packArtifacts(),
      'after:aws:deploy:deploy:createStack': () => this.#upload(),
    };
  }

  /** Beside the functions' packages. */
  get #folder(): string {
    const { serviceDir, service } = this.#serverless;
    return join(this.#options.package ?? service.package.path ?? join(serviceDir, '.serverless'), 'artifacts');
  }

  async #makeBucketFirst(): Promise<void> {
    const { serviceDir, service } = this.#serverless;
    const { compiledCloudFormationTemplate: whole, coreCloudFormationTemplate: core } = service.provider;
    const bucket = whole.Resources[BUCKET];
    if (!bucket) throw new Error(`the template has no ${BUCKET} to put artifacts into`);
    core.Resources[BUCKET] = structuredClone(bucket);
    await writeFile(join(serviceDir, '.serverless', CORE_TEMPLATE), JSON.stringify(core, null, 2));
  }

  async #packArtifacts(): Promise<void> {
    const artifacts = Object.values(await artifactsOf(this.#serverless.serviceDir));
    await rm(this.#folder, { recursive: true, force: true });
    for (const { key, content } of artifacts) {
      const path = join(dirname(this.#folder), key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
    }
  }

  /** Whatever was packaged, whenever that was. Writing the same bytes again changes nothing. */
  async #upload(): Promise<void> {
    const provider = this.#serverless.getProvider('aws');
    const { compiledCloudFormationTemplate: template } = this.#serverless.service.provider;
    const bucket = bucketNameIn(template, await provider.getAccountId(), provider.getRegion());
    const s3 = new S3Client(await provider.getAwsSdkV3Config());
    for (const hash of await readdir(this.#folder)) {
      for (const name of await readdir(join(this.#folder, hash))) {
        const Body = await readFile(join(this.#folder, hash, basename(name)));
        await s3.send(new PutObjectCommand({ Bucket: bucket, Key: `artifacts/${hash}/${name}`, Body }));
      }
    }
    s3.destroy();
  }
}
