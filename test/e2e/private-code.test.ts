/**
 * A private repository through the whole pipeline, with a token planted in its credential: the token is searched for
 * in every log, process listing, file and message, while the job runs and afterwards, and not found.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDynamoClient, createS3Client, createSqsClient } from '../../adapters/aws/clients.ts';
import { type Pipeline, startPipeline } from '../../local/pipeline.ts';
import { type RunningServer, startGitHttpServer } from '../contracts/git-http-server.ts';
import { ApiClient, until } from './api-client.ts';
import { processesWith } from './processes.ts';
import { type TaskRepository, taskRepository } from './task-repository.ts';

/** Put together here, so that the sources of this test do not hold it as one word. */
const TOKEN = ['github', 'pat', `${process.pid}planted${Math.random().toString(36).slice(2)}`].join('_');
const BASIC = Buffer.from(`x-access-token:${TOKEN}`).toString('base64');
/** In whatever form: as it is, as the header has it, and its beginning, should something have cut it. */
const FORMS = [
  TOKEN,
  BASIC,
  TOKEN.slice(0, 30),
  BASIC.slice(0, 40),
  Buffer.from(TOKEN).toString('base64').slice(0, 30),
];

/** Says all that a command can find out about how its code came: environment, git's settings, other processes. */
const SPY = `
const { execFileSync } = require('node:child_process');
const { readdirSync, readFileSync } = require('node:fs');
const read = (path) => { try { return readFileSync(path, 'latin1'); } catch { return ''; } };
const git = execFileSync('git', ['config', '--list', '--show-origin'], { encoding: 'utf8' });
const processes = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).map((pid) => read('/proc/' + pid + '/cmdline'));
console.error(JSON.stringify(process.env), git);
console.log(JSON.stringify({ environment: process.env, git, processes, config: read('.git/config'), library: read('library') }));`;

let folder: string;
let repository: TaskRepository;
let host: RunningServer;
let pipeline: Pipeline;
let api: ApiClient;
let served = 0;
let closed = false;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-private-'));
  repository = await taskRepository({ 'spy.js': SPY });
  host = await startGitHttpServer(dirname(repository.folder), {
    authorization: `Basic ${BASIC}`,
    closed: () => closed,
    onRequest: (request) => {
      if (request.headers.authorization) served += 1;
    },
  });
  pipeline = await startPipeline({
    dataDirectory: folder,
    fleets: { default: { idleSeconds: 20 } },
    tickSeconds: 1,
    reportVisibilitySeconds: 3,
    environment: { REPOSITORY_HOSTS: '127.0.0.1' },
    machineEnvironment: { SHOAL_GRACE_SECONDS: '1', SHOAL_LEASE_GRACE_SECONDS: '2' },
  });
  api = new ApiClient(pipeline.local);
  await mkdir(join(folder, 'credentials'), { recursive: true });
  await writeFile(join(folder, 'credentials/acme'), `${TOKEN}\n`, { mode: 0o600 });
});

afterAll(async () => {
  await pipeline?.stop();
  await host?.stop();
  const left = await processesWith(folder);
  await repository?.remove();
  await rm(folder, { recursive: true, force: true });
  expect(left).toEqual([]);
});

const address = (): string => `${host.url}/${basename(repository.folder)}`;
const job = (overrides: Record<string, unknown> = {}, tasks = [{ input: 1 }, { input: 2 }]) => ({
  name: 'private',
  code: { repository: address(), ref: 'main', run: ['node', 'spy.js'], credential: 'acme', ...overrides },
  tasks,
  maxInstances: 2,
});
const holdsToken = (text: string): boolean => FORMS.some((form) => text.includes(form));

/** Looks at the command line of every process, again and again; resolves with those that gave the token away. */
function watchProcesses() {
  const found = new Set<string>();
  let looks = 0;
  let watching = true;
  const look = async (): Promise<void> => {
    while (watching) {
      const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
      const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')));
      for (const line of lines.filter(holdsToken)) found.add(line);
      looks += 1;
    }
  };
  const done = look();
  return async () => {
    watching = false;
    await done;
    return { found: [...found], looks };
  };
}

/** Every file below a folder that holds the token, in name or content. */
async function filesWithToken(root: string): Promise<{ files: number; found: string[] }> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found: string[] = [];
  for (const file of files) {
    const content = await readFile(file, 'latin1').catch(() => '');
    if (holdsToken(content) || holdsToken(file)) found.push(file);
  }
  return { files: files.length, found };
}

describe('a private repository', () => {
  it('runs with its named credential, and the token is found nowhere, during the run or after it', async () => {
    const stopWatching = watchProcesses();
    const setup = 'env > environment; git config --list > settings; cat /proc/*/cmdline > listing 2>/dev/null; true';
    const jobId = await api.submit(job({ setup }));

    const ended = await api.untilEnded(jobId);

    expect(ended).toMatchObject({ status: 'COMPLETED', code: { commit: repository.commit } });
    expect(served).toBeGreaterThan(2);
    // While the machines are still there: their checkouts are removed with them.
    const checkouts = await filesWithToken(join(folder, 'instances'));
    const settings = await Promise.all(
      (await readdir(join(folder, 'instances'), { recursive: true }))
        .filter((path) => path.endsWith('code/.git/config'))
        .map((path) => readFile(join(folder, 'instances', path), 'utf8')),
    );
    const { found, looks } = await stopWatching();
    expect(settings.length).toBeGreaterThan(0);
    expect({ processes: found, files: checkouts.found }).toEqual({ processes: [], files: [] });
    expect(looks).toBeGreaterThan(20);

    const [first] = await api.results(jobId);
    const result = first?.result as { environment: Record<string, string>; git: string; processes: string[] };
    expect(Object.keys(result.environment)).toContain('SHOAL_TASK_ID');
    expect(result.git).toContain('core.');
    expect(result.processes.length).toBeGreaterThan(5);
    const answers = await Promise.all(
      [`/v1/jobs/${jobId}`, `/v1/jobs/${jobId}/results`, `/v1/tasks/${jobId}-0`, '/v1/instances'].map(
        async (path) => (await api.request('GET', path)).text,
      ),
    );
    expect(answers.filter(holdsToken)).toEqual([]);
  });

  it('is named in the messages to machines and in what is stored, the token itself is in none', async () => {
    const { sqsUrl, dynamodbUrl, s3Url, region, taskQueueUrls, tables, bucket } = pipeline.local;
    const access = { region, credentials: { accessKeyId: 'local', secretAccessKey: 'local' } };
    const [sqs, dynamodb, s3] = [
      createSqsClient({ ...access, endpoint: sqsUrl }),
      createDynamoClient({ ...access, endpoint: dynamodbUrl }),
      createS3Client({ ...access, endpoint: s3Url }),
    ];
    const tasks = Array.from({ length: 12 }, () => ({ input: 1 }));
    const jobId = await api.submit(job({ run: ['sleep', '30'] }, tasks));
    const bodies = await until('messages wait on the queue', 20, async () => {
      const QueueUrl = taskQueueUrls['default']?.normal;
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 1 }),
      );
      return Messages.length > 0 ? Messages.map(({ Body = '' }) => Body) : undefined;
    });
    expect(bodies.every((body) => body.includes('"credential":"acme"'))).toBe(true);
    expect(bodies.filter(holdsToken)).toEqual([]);
    await api.request('DELETE', `/v1/jobs/${jobId}`);
    await api.untilEnded(jobId);

    const rows = await Promise.all(
      Object.values(tables).map(async (TableName) => dynamodb.send(new ScanCommand({ TableName }))),
    );
    const stored = rows.flatMap(({ Items = [] }) => Items.map((item) => JSON.stringify(item)));
    expect(stored.some((row) => row.includes('"acme"'))).toBe(true);
    expect(stored.filter(holdsToken)).toEqual([]);
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
    const blobs = await Promise.all(
      Contents.map(async ({ Key }) => {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
        return `${Key}\n${await Body?.transformToString()}`;
      }),
    );
    expect(blobs.length).toBeGreaterThan(2);
    expect(blobs.filter(holdsToken)).toEqual([]);
    for (const client of [sqs, dynamodb, s3]) client.destroy();
  });

  it('that is taken back after the submission is a reason on the job within a minute, and no charged attempt', async () => {
    const jobId = await api.submit(job({ setup: 'true # another checkout' }, [{ input: 1 }]));
    // From now on the host refuses, and says what it was shown.
    closed = true;

    const { problem } = await until('the job says why', 60, async () => {
      const view = await api.job(jobId);
      return view.problem ? view : undefined;
    });

    expect(problem?.reason).toMatch(/git fetch failed/);
    const answers = [await api.request('GET', `/v1/jobs/${jobId}`), await api.request('GET', `/v1/tasks/${jobId}-0`)];
    expect(answers.map(({ text }) => holdsToken(text))).toEqual([false, false]);
    closed = false;
    expect(await api.untilEnded(jobId)).toMatchObject({ status: 'COMPLETED', counters: { completed: 1, failed: 0 } });
  });

  it('is refused without its credential, with one that is unknown, and with one that others may read', async () => {
    await writeFile(join(folder, 'credentials/loose'), TOKEN, { mode: 0o644 });
    const before = (await api.request('GET', '/v1/jobs')).json.jobs.length;

    const refused = async (credential: string | null) => {
      const answer = await api.request('POST', '/v1/jobs', { body: job({ credential }) });
      expect([answer.status, holdsToken(answer.text)]).toEqual([422, false]);
      return answer.json.errors.map(({ path, message }: { path: string; message: string }) => `${path}: ${message}`);
    };

    expect(await refused(null)).toEqual([expect.stringMatching(/^code.repository: .* without a credential/)]);
    expect(await refused('nobody')).toEqual([expect.stringMatching(/^code.credential: .*"nobody" is not there/)]);
    expect(await refused('loose')).toEqual([expect.stringMatching(/^code.credential: .*chmod 600/)]);
    expect((await api.request('GET', '/v1/jobs')).json.jobs).toHaveLength(before);
    await rm(join(folder, 'credentials/loose'));
  });
});

describe('a host that is down', () => {
  it('is a 503 with Retry-After at submission, and nothing is written', async () => {
    const before = (await api.request('GET', '/v1/jobs')).json.jobs.length;
    const down = await startGitHttpServer(folder);
    await down.stop();

    const answer = await api.request('POST', '/v1/jobs', { body: job({ repository: `${down.url}/gone` }) });

    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '10']);
    expect((await api.request('GET', '/v1/jobs')).json.jobs).toHaveLength(before);
  });
});

describe('afterwards', () => {
  it('no log, no stored row, no blob, no message and no file of the run holds the token', async () => {
    await pipeline.stop();
    await until('the parts have ended', 20, async () =>
      (await pipeline.processesLeft()).length === 0 ? true : undefined,
    );
    await rm(join(folder, 'credentials'), { recursive: true });

    const { files, found } = await filesWithToken(folder);

    expect(files).toBeGreaterThan(10);
    expect(found).toEqual([]);
  });
});
