// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of the shell, not of this language.
/** A machine's first boot, as its user data has it, on this machine: the programs of its cloud are fakes. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { until } from '../../adapters/local/testing/until.ts';
import { statusMessageSchema } from '../../core/messages.ts';
import type { Platform } from '../platforms/platform.ts';
import { renderUserData } from '../user-data.ts';
import { readPath } from './config.ts';

export const ENVIRONMENT = {
  AWS_REGION: 'us-east-1',
  SHOAL_FLEET: 'default',
  SHOAL_INSTANCE_ID: 'i-1',
  SHOAL_MAX_LIFETIME_SECONDS: '86400',
  SHOAL_STATUS_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/123456789012/shoal-status-dev',
};

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Programs that write down how they were called, first on the PATH. */
function fakePrograms(folder: string, programs: Readonly<Record<string, string>>): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/bash\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return `${bin}:${readPath()}`;
}

export interface FirstBoot {
  readonly exitCode: number | null;
  readonly log: string;
  readonly shutdowns: string[];
  /** Message bodies that were sent to the status queue. */
  readonly reports: string[];
}

/** A machine's first boot with this bootstrap.sh; `shutdown` and `aws` are fakes. */
export async function boot(
  bootstrap: string,
  environment: Readonly<Record<string, string>> = {},
  options: {
    sha256?: string;
    url?: string;
    aws?: string;
    signal?: NodeJS.Signals;
    platform?: Platform;
    /** Other programs that are fakes; they are told the folder of the machine as $FOLDER. */
    programs?: Readonly<Record<string, string>>;
  } = {},
): Promise<FirstBoot> {
  const folder = temporaryFolder();
  // Another user must find the way to its work folder.
  chmodSync(folder, 0o711);
  const file = join(folder, 'bootstrap.sh');
  writeFileSync(file, bootstrap);
  const PATH = fakePrograms(folder, {
    shutdown: `printf '%s\\n' "$*" >> '${folder}/shutdowns'`,
    aws: options.aws ?? `[[ $1 == sqs ]] && printf '%s\\0' "\${@: -1}" >> '${folder}/reports'`,
    ...options.programs,
  });
  const script = renderUserData({
    url: options.url ?? pathToFileURL(file).href,
    sha256: options.sha256 ?? sha256(bootstrap),
    ...(options.platform ? { platform: options.platform } : {}),
    environment: {
      ...ENVIRONMENT,
      SHOAL_WORK_DIR: join(folder, 'work'),
      SHOAL_LOG: join(folder, 'log'),
      SHOAL_TASK_USER: userInfo().username,
      ...environment,
    },
  });
  const child = spawn('bash', ['-c', script], { env: { PATH, HOME: folder, FOLDER: folder }, stdio: 'ignore' });
  if (options.signal) {
    const { signal } = options;
    void until(() => existsSync(join(folder, 'work/up')), 'bootstrap.sh runs').then(() => child.kill(signal));
  }
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const read = (name: string): string =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '';
  return {
    exitCode,
    log: read('log'),
    shutdowns: read('shutdowns').split('\n').filter(Boolean),
    reports: read('reports').split('\0').filter(Boolean),
  };
}

/** Of a report that says that the machine failed. */
export const reasonIn = (report: string | undefined, instanceId = 'i-1'): string => {
  const { events } = statusMessageSchema.parse(JSON.parse(report ?? ''));
  expect(events).toMatchObject([{ kind: 'instance', instanceId, fleet: 'default', state: 'FAILED' }]);
  return events[0]?.kind === 'instance' ? (events[0].reason ?? '') : '';
};
