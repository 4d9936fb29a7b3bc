/** For tests: a stack of throw-away handlers in a temporary folder, in the shape that packaging leaves. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { HostConfiguration } from './host-configuration.ts';

export interface TestFunction {
  /** The source of its ES module; it exports `handler`. */
  readonly source: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  /** `GET /things/{id}`. */
  readonly routes?: readonly string[];
}

export interface TestStack extends AsyncDisposable {
  readonly directory: string;
  readonly configuration: HostConfiguration;
}

/** Writes handlers and template; `resources` come beside those of the functions. */
export async function writeTestStack(
  functions: Readonly<Record<string, TestFunction>>,
  resources: Readonly<Record<string, unknown>> = {},
  endpoints: Partial<HostConfiguration['endpoints']> = {},
): Promise<TestStack> {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-stack-'));
  const all: Record<string, unknown> = {
    HttpApi: { Type: 'AWS::ApiGatewayV2::Api', Properties: { ProtocolType: 'HTTP' } },
    ...resources,
  };
  for (const [name, each] of Object.entries(functions)) {
    await write(join(directory, 'functions', name, 'src', 'handler.mjs'), each.source);
    Object.assign(all, functionResources(name, each));
  }
  const templatePath = join(directory, 'template.json');
  await write(templatePath, JSON.stringify({ Resources: all }));
  return {
    directory,
    configuration: {
      templatePath,
      functionsDirectory: join(directory, 'functions'),
      logsDirectory: join(directory, 'logs'),
      queueUrlPrefix: `${endpoints.sqs ?? 'http://127.0.0.1:1'}/000000000000/`,
      endpoints: {
        sqs: 'http://127.0.0.1:1',
        dynamodb: 'http://127.0.0.1:1',
        s3: 'http://127.0.0.1:1',
        states: 'http://127.0.0.1:1',
        ...endpoints,
      },
      environment: {},
      tickSeconds: 3_600,
      instancesDirectory: join(directory, 'instances'),
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

function functionResources(name: string, { properties, routes = [] }: TestFunction): Record<string, unknown> {
  const integration = {
    Type: 'AWS::ApiGatewayV2::Integration',
    Properties: { IntegrationUri: { 'Fn::GetAtt': [name, 'Arn'] } },
  };
  const made = routes.map((key, index) => [
    `${name}Route${index}`,
    {
      Type: 'AWS::ApiGatewayV2::Route',
      Properties: {
        ApiId: { Ref: 'HttpApi' },
        RouteKey: key,
        Target: { 'Fn::Join': ['/', ['integrations', { Ref: `${name}Integration` }]] },
      },
    },
  ]);
  return {
    [name]: {
      Type: 'AWS::Lambda::Function',
      Properties: {
        FunctionName: `test-${name}`,
        Handler: 'src/handler.handler',
        Code: { S3Bucket: 'x', S3Key: `a/b/${name}.zip` },
        ...properties,
      },
    },
    [`${name}Integration`]: integration,
    ...Object.fromEntries(made),
  };
}

async function write(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}
