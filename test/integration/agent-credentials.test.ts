/** Where the agent, as it is bundled, finds AWS credentials on a machine that nobody launched: each way on its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { packageAgent } from '../../local/package-agent.ts';
import { until } from '../e2e/api-client.ts';

const HOUR_MS = 3_600_000;
const keysOf = (id: string) => ({
  AccessKeyId: id,
  SecretAccessKey: 'secret',
  Token: 'session',
  Expiration: new Date(Date.now() + HOUR_MS).toISOString(),
});

let folder: string;
let agent: string;
let server: Server;
let url: string;
/** The access keys that SQS was asked with. */
const seen = new Set<string>();

/** SQS, STS, a container's credentials and EC2's metadata service, all at one address. */
async function answer(request: IncomingMessage): Promise<string> {
  const path = request.url ?? '';
  const body = await text(request);
  if (path === '/latest/api/token') return 'token';
  if (path === '/latest/meta-data/iam/security-credentials/') return 'role';
  if (path === '/latest/meta-data/iam/security-credentials/role') {
    return JSON.stringify({ Code: 'Success', ...keysOf('FROMMETADATA') });
  }
  if (path === '/container') {
    return JSON.stringify(keysOf(request.headers.authorization === 'let me in' ? 'FROMCONTAINER' : 'UNPROVED'));
  }
  if (body.includes('AssumeRoleWithWebIdentity')) {
    const { AccessKeyId, SecretAccessKey, Token, Expiration } = keysOf(
      body.includes('a-token-of-the-cluster') ? 'FROMWEBIDENTITY' : 'UNPROVED',
    );
    return `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
      <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>${AccessKeyId}</AccessKeyId>
      <SecretAccessKey>${SecretAccessKey}</SecretAccessKey><SessionToken>${Token}</SessionToken>
      <Expiration>${Expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
      </AssumeRoleWithWebIdentityResponse>`;
  }
  const [, key] = /Credential=([A-Z]+)\//.exec(request.headers.authorization ?? '') ?? [];
  if (key) seen.add(key);
  return '{}';
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-credentials-'));
  await writeFile(join(folder, 'token'), 'a-token-of-the-cluster');
  agent = fileURLToPath((await packageAgent()).url);
  server = createServer((request, response) => {
    void answer(request).then((body) => {
      response.setHeader('x-aws-ec2-metadata-token-ttl-seconds', '21600');
      response.end(body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A listening TCP server has an address of this shape.
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the agent until it asked SQS with that key; what it printed is told if it never does. */
async function asksWith(key: string, environment: Readonly<Record<string, string>>): Promise<void> {
  const child = spawn(process.execPath, [agent], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_SQS: url,
      AWS_ENDPOINT_URL_S3: url,
      SHOAL_STAGE: 'test',
      SHOAL_FLEET: 'own',
      SHOAL_IDLE_SECONDS: 'never',
      SHOAL_MAX_LIFETIME_SECONDS: '600',
      SHOAL_QUEUE_URL_PREFIX: `${url}/000000000000/`,
      SHOAL_STATUS_QUEUE_URL: `${url}/000000000000/status`,
      SHOAL_BUCKET: 'bucket',
      SHOAL_WORK_DIR: folder,
      ...environment,
    },
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
    });
  }
  try {
    await until(`SQS is asked with ${key}`, 20, async () => (seen.has(key) ? true : undefined)).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}; asked with ${[...seen].join()}; ${printed}`);
      },
    );
  } finally {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
}

describe('the agent finds credentials', () => {
  it('in its environment', async () => {
    await asksWith('FROMENVIRONMENT', { AWS_ACCESS_KEY_ID: 'FROMENVIRONMENT', AWS_SECRET_ACCESS_KEY: 'secret' });
  });

  it('by a token file, as IAM roles for service accounts give one to a pod', async () => {
    await asksWith('FROMWEBIDENTITY', {
      AWS_ENDPOINT_URL_STS: url,
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/shoal-machine',
      AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
    });
  });

  it('at an address, as EKS Pod Identity and ECS give one to a container', async () => {
    await asksWith('FROMCONTAINER', {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/container`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'let me in',
    });
  });

  it('at a metadata service, EC2’s or one that speaks as it does', async () => {
    await asksWith('FROMMETADATA', { AWS_EC2_METADATA_SERVICE_ENDPOINT: url });
  });
});
