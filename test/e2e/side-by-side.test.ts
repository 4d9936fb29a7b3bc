/** Two checkouts of this project on one machine, both started as the README says; and one checkout started twice. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LocalDescription } from '../../local/local-description.ts';
import { PROJECT_ROOT } from '../../local/project-root.ts';
import { ApiClient, until } from './api-client.ts';
import { processesWith } from './processes.ts';

interface Shoal {
  readonly child: ChildProcess;
  output(): string;
  readonly ended: Promise<number | null>;
}

let folder: string;
let other: string;
const running = new Set<ChildProcess>();

/** As `npm start` does it, in a checkout of its own. */
function start(checkout: string, ...parameters: string[]): Shoal {
  const child = spawn(process.execPath, [join(checkout, 'local/start.ts'), ...parameters], { cwd: checkout });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const ended = once(child, 'close').then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  return { child, output: () => output, ended };
}

const descriptionIn = (data: string, shoal?: Shoal): Promise<LocalDescription> =>
  until(`${data} has a local.json`, 90, async () => {
    if (shoal && shoal.child.exitCode !== null) throw new Error(`it ended: ${shoal.output()}`);
    const text = await readFile(join(data, 'local.json'), 'utf8').catch(() => '');
    return text.endsWith('}\n') ? JSON.parse(text) : undefined;
  });

async function copyCheckout(target: string): Promise<void> {
  const parameters = ['-C', PROJECT_ROOT, 'ls-files', '--cached', '--others', '--exclude-standard'];
  const { stdout } = await promisify(execFile)('git', parameters, { maxBuffer: 1e8 });
  for (const path of stdout.split('\n').filter((each) => each !== '' && existsSync(join(PROJECT_ROOT, each)))) {
    await mkdir(dirname(join(target, path)), { recursive: true });
    await cp(join(PROJECT_ROOT, path), join(target, path));
  }
  await symlink(join(PROJECT_ROOT, 'node_modules'), join(target, 'node_modules'));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-side-by-side-'));
  other = join(folder, 'checkout');
  await copyCheckout(other);
});

afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

describe('npm start in two checkouts', () => {
  it('starts both without a word about ports, and each works on its own job', async () => {
    const places = [join(folder, 'here'), join(other, '.shoal')] as const;
    const shoals = [start(PROJECT_ROOT, '--data', places[0]), start(other)];

    const [one, two] = await Promise.all(places.map((place, n) => descriptionIn(place, shoals[n])));
    if (!one || !two) throw new Error('one of them did not start');
    const urls = [one, two].map(({ apiUrl, lambdaUrl, sqsUrl, dynamodbUrl, s3Url, statesUrl }) => [
      ...[apiUrl, lambdaUrl, sqsUrl, dynamodbUrl, s3Url, statesUrl],
    ]);
    expect(new Set(urls.flat()).size).toBe(12);
    expect(one.apiKey).not.toBe(two.apiKey);

    const ended = await Promise.all(
      [one, two].map(async (local, n) => {
        const api = new ApiClient(local);
        const job = JSON.parse(await readFile(join(places[n] ?? '', 'first-job.json'), 'utf8'));
        const jobId = await api.submit({ ...job, tasks: job.tasks.slice(0, 2 + n) });
        await api.untilEnded(jobId);
        return (await api.request('GET', '/v1/jobs')).json.jobs;
      }),
    );

    expect(ended).toMatchObject([[{ status: 'COMPLETED', taskCount: 2 }], [{ status: 'COMPLETED', taskCount: 3 }]]);
    for (const { child } of shoals) child.kill('SIGINT');
    expect(await Promise.all(shoals.map((shoal) => shoal.ended))).toEqual([0, 0]);
    expect(await processesWith(folder)).toEqual([]);
  });
});

describe('npm start twice in one checkout', () => {
  it('tells the second in one line who has the folder, and leaves the first alone', async () => {
    const data = join(folder, 'twice');
    const first = start(PROJECT_ROOT, '--data', data);
    await descriptionIn(data, first);

    const second = start(PROJECT_ROOT, '--data', data);

    expect(await second.ended).toBe(1);
    const said = second.output().trim().split('\n');
    expect(said.filter((line) => !line.includes('taking others'))).toEqual([
      `Shoal could not start: another local run uses ${data}; stop it, or choose another folder with --data`,
    ]);
    expect((await new ApiClient(await descriptionIn(data)).request('GET', '/health')).status).toBe(200);
    first.child.kill('SIGINT');
    expect(await first.ended).toBe(0);
  });
});
