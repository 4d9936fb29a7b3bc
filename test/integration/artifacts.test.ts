// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of CloudFormation, not of this language.
/** What machines run: packaged under its hash, and uploaded by a deployment before anything refers to it. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createS3Client } from '../../adapters/aws/clients.ts';
import { makeArtifacts } from '../../plugins/artifacts.ts';
import { until } from '../e2e/api-client.ts';
import { mirrorRepository, type PackagedStack, packageStack } from './packaged-stack.ts';

const NAMES = ['agent.mjs', 'bootstrap.sh'];
const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

describe('a package', () => {
  let stack: PackagedStack;
  beforeAll(async () => {
    stack = await packageStack();
  });

  it('has agent and bootstrap.sh under their hash, the same each time, and tells the machines', async () => {
    const hashes = await readdir(join(stack.output, 'artifacts'));
    const files = await Promise.all(
      hashes.map(async (hash) => {
        const [name = ''] = await readdir(join(stack.output, 'artifacts', hash));
        expect(sha256(await readFile(join(stack.output, 'artifacts', hash, name)))).toBe(hash);
        return { hash, name };
      }),
    );
    const again = Object.values(await makeArtifacts(join(import.meta.dirname, '../..')));

    expect(files.map(({ name }) => name).sort()).toEqual(NAMES);
    expect(again.map((artifact) => artifact.sha256).sort()).toEqual(hashes.sort());
    const templates = stack.ofType('AWS::EC2::LaunchTemplate');
    expect(templates).not.toEqual([]);
    for (const [logicalId, { Properties }] of templates) {
      const userData = JSON.stringify(Properties.LaunchTemplateData.UserData);
      for (const { hash, name } of files) expect(userData, logicalId).toContain(`/artifacts/${hash}/${name}`);
    }
  });

  it('makes the bucket in the first step of a first deployment, exactly as in the second', async () => {
    const path = join(stack.output, 'cloudformation-template-create-stack.json');
    const first: unknown = JSON.parse(await readFile(path, 'utf8')).Resources.DataBucket;

    expect(first).toEqual(stack.get('DataBucket'));
  });
});

const hasMoto = spawnSync('moto_server', ['--help']).status === 0;

// moto is an AWS emulator in Python, and no npm package.
describe.skipIf(!hasMoto)('a deployment (skipped where moto_server is not installed)', () => {
  let folder: string;
  let moto: ChildProcess;
  let front: Server;
  let endpoint: string;
  /** What was asked for, in order: `PutObject …`, `UpdateStack`. */
  const calls: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-deploy-'));
    await mirrorRepository(folder);
    const port = await freePort();
    moto = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    front = createServer(async (request, response) => {
      const body = await buffer(request);
      const action = /(?:^|&)Action=(\w+)/.exec(body.toString('latin1'))?.[1];
      if (action) calls.push(action);
      else if (request.method === 'PUT') calls.push(`PutObject ${request.url}`);
      const { method = 'GET', url = '/', headers } = request;
      const onward = httpRequest({ port, host: '127.0.0.1', method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.writeHead(502).end());
      onward.end(body);
    });
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    // A listening TCP server has an address of this shape.
    endpoint = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
    await until('moto answers', 30, async () => ((await fetch(endpoint)).ok ? true : undefined));
  });
  afterAll(async () => {
    moto?.kill();
    front?.closeAllConnections();
    front?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('the first one too, has uploaded both before the stack is updated with functions that name them', async () => {
    const framework = createRequire(import.meta.url).resolve('serverless/bin/serverless.js');
    await promisify(execFile)(process.execPath, [framework, 'deploy', '--stage', 'test'], {
      cwd: folder,
      timeout: 110_000,
      env: {
        ...process.env,
        AWS_ENDPOINT_URL: endpoint,
        AWS_ACCESS_KEY_ID: 'local',
        AWS_SECRET_ACCESS_KEY: 'local',
        AWS_REGION: 'us-east-1',
        // Milliseconds: how often it looks whether a step is done. moto is done at once.
        SLS_AWS_MONITORING_FREQUENCY: '100',
      },
    });

    const s3 = createS3Client({
      endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    const bucket = 'shoal-data-test-123456789012-us-east-1';
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'artifacts/' }));
    for (const { Key = '' } of Contents) {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
      expect(Key).toContain(sha256((await Body?.transformToByteArray()) ?? new Uint8Array()));
    }
    s3.destroy();
    expect(Contents.map(({ Key }) => Key?.split('/').at(-1)).sort()).toEqual(NAMES);
    const order = calls.filter((call) => /^(?:CreateStack|UpdateStack)$|\/artifacts\//.test(call));
    expect(order.map((call) => (call.startsWith('PutObject') ? 'PutObject' : call))).toEqual([
      'CreateStack',
      'PutObject',
      'PutObject',
      'UpdateStack',
    ]);
  }, 120_000);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // see above
  await new Promise((resolve) => server.close(resolve));
  return port;
}
