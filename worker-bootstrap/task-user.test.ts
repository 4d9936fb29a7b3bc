// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of the shell, not of this language.
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gitRepository } from '../adapters/local/testing/git-repository.ts';
import { temporaryFolder } from '../adapters/local/testing/temporary-folder.ts';
import type { TaskMessage } from '../core/messages.ts';
import { taskIdFactory } from '../test/factories/ids.ts';
import { PLAIN_CODE } from '../test/factories/plain-code.ts';
import { readPath } from './testing/config.ts';
import { BOOTSTRAP, testMachine } from './testing/test-machine.ts';

/** Says who it is, and what of the agent's it can read or write: each found thing is a word. */
const PROBE = `
found="$(id -u) groups:$(id -G | wc -w)"
agent=$PPID
cat "/proc/$agent/environ" >/dev/null 2>&1 && found="$found environment"
cat "$MACHINE/log" >/dev/null 2>&1 && found="$found log"
cat "$MACHINE/credential" >/dev/null 2>&1 && found="$found credential"
ls "$MACHINE/work" "$MACHINE/work/tasks" "$MACHINE/work/checkouts" >/dev/null 2>&1 && found="$found folders"
ls "$MACHINE/work/groups" >/dev/null 2>&1 && found="$found groups"
(: >"$MACHINE/work/written") 2>/dev/null && found="$found write"
kill -0 "$agent" 2>/dev/null && found="$found signal"
`;

const IS_ROOT = userInfo().uid === 0;
const NOBODY = 65534;

/** Boots a machine whose commands run as `nobody`; what its tasks reported, and the machine's log. */
async function runAsNobody(code: Partial<TaskMessage['code']>, files: Record<string, string>, iptables: string) {
  const folder = temporaryFolder();
  // Another user must find the way to its work folder, as on a machine of its own.
  chmodSync(folder, 0o711);
  const { url, commit } = gitRepository();
  const all: TaskMessage['code'] = {
    ...PLAIN_CODE,
    repository: url,
    commit: commit(files),
    setup: null,
    run: ['sh', 'task.sh'],
    env: { MACHINE: folder },
    ...code,
  };
  const tasks = [0, 1].map((index) => ({ taskId: taskIdFactory(index), code: all, input: index, timeoutSeconds: 30 }));
  const machine = await testMachine(folder, tasks);
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const name of ['iptables', 'ip6tables', 'nft']) {
    writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >>'${folder}/firewall'\n${iptables}\n`, {
      mode: 0o755,
    });
  }
  writeFileSync(join(folder, 'credential'), 'a secret', { mode: 0o600 });
  writeFileSync(join(folder, 'log'), '', { mode: 0o600 });
  const boot = spawn('bash', ['-c', `exec bash '${BOOTSTRAP}' >>'${folder}/log' 2>&1`], {
    stdio: 'ignore',
    env: {
      PATH: `${bin}:${readPath()}`,
      ...machine.environment,
      SHOAL_WORK_DIR: join(folder, 'work'),
      SHOAL_TASK_USER: 'nobody',
      SHOAL_IDLE_SECONDS: '1',
    },
  });
  await new Promise((resolve) => boot.once('close', resolve));
  const results = machine.events().flatMap((event) => (event.kind === 'completed' ? [event.result] : []));
  return { results, log: readFileSync(join(folder, 'log'), 'utf8'), firewall: join(folder, 'firewall') };
}

describe.skipIf(!IS_ROOT)('on a machine that is set up as root (skipped for any other user), a command', () => {
  it('runs as a user of its own, who can read nothing of the agent, in folders that are its own', async () => {
    const script = `${PROBE}
      touch "$HOME/a" "$TMPDIR/b" new-in-checkout && cat from-setup "$SHOAL_INPUT_FILE" >/dev/null && found="$found works"
      printf '"%s"' "$found" > "$SHOAL_RESULT_FILE"`;

    const { results, log, firewall } = await runAsNobody(
      { setup: 'id -u > from-setup; mkdir -p "$HOME/cache"' },
      { 'task.sh': script },
      'case "$*" in *" -C "*) exit 1 ;; esac',
    );

    expect(results, log).toEqual([0, 1].map(() => ({ json: `"${NOBODY} groups:1 works"` })));
    expect(log).toContain('the metadata service is blocked for commands');
    const made = readFileSync(firewall, 'utf8').replaceAll(/.* -C .*\n/g, '');
    expect(made).toBe(
      `iptables -w -I OUTPUT -d 169.254.169.254 -p tcp ! --dport 53 -m owner --uid-owner ${NOBODY} -j REJECT\n` +
        `ip6tables -w -I OUTPUT -d fd00:ec2::254 -m owner --uid-owner ${NOBODY} -j REJECT\n`,
    );
  });

  it('meets the rules of an earlier start, which are not made again', async () => {
    const { log, firewall } = await runAsNobody({}, { 'task.sh': 'echo 1' }, 'exit 0');

    expect(log).toContain('the metadata service is blocked for commands');
    expect(readFileSync(firewall, 'utf8')).not.toContain(' -I ');
  });

  it('of the jsonl protocol likewise; that nothing could block the metadata service is told', async () => {
    const script = `${PROBE}\nwhile read -r line; do printf '"%s"\\n' "$found"; done`;

    const { results, log } = await runAsNobody({ protocol: 'jsonl' }, { 'task.sh': script }, 'exit 1');

    expect(results, log).toEqual([0, 1].map(() => ({ json: `"${NOBODY} groups:1"` })));
    expect(log).toContain('warning: the metadata service could not be blocked for commands');
  });
});
