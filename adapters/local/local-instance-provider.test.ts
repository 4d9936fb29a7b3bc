import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LocalInstanceProvider } from './local-instance-provider.ts';
import { runningWith } from './testing/processes.ts';
import { temporaryFolder } from './testing/temporary-folder.ts';
import { until } from './testing/until.ts';

/** A bootstrap that stays until it is told to go, unless a line of `extra` says otherwise. */
function setUp(extra = '') {
  const stateDir = temporaryFolder();
  const bootstrapPath = join(stateDir, 'boot.sh');
  writeFileSync(
    bootstrapPath,
    `mkdir -p "$SHOAL_WORK_DIR/groups"\nenv > "$SHOAL_WORK_DIR/env"\necho booted\n${extra}\nwhile :; do sleep 0.1; done\n`,
  );
  const open = (): LocalInstanceProvider =>
    new LocalInstanceProvider({ stateDir, bootstrapPath, slots: 3, baseEnvironment: { BASE: 'b' }, graceSeconds: 1 });
  onTestFinished(() => open().terminateAll());
  const workOf = (instanceId: string): string => join(stateDir, instanceId, 'work');
  return { stateDir, open, workOf, provider: open() };
}

const request = (intentId: string, count = 1) => ({
  fleet: 'default',
  intentId,
  count,
  environment: { SHOAL_FLEET: 'default' },
});

const idsOf = (instances: readonly { instanceId: string }[]): string[] =>
  instances.map((each) => each.instanceId).sort();

/** A task can be seen to run a moment before it has recorded its group, by which alone it is found later. */
const recordedGroup = (work: string): Promise<boolean> =>
  until(() => existsSync(join(work, 'groups')) && readdirSync(join(work, 'groups')).length > 0, 'a group is recorded');

describe('LocalInstanceProvider', () => {
  it('launches machines that know who they are, and lists them', async () => {
    const { provider, workOf, stateDir } = setUp();

    const { launched, errors } = await provider.launch(request('one', 2));

    expect(errors).toEqual([]);
    expect(launched).toMatchObject([
      { instanceType: 'local', hourlyPriceUsd: 0 },
      { instanceType: 'local', hourlyPriceUsd: 0 },
    ]);
    const observed = await provider.list('default');
    expect(idsOf(observed)).toEqual(idsOf(launched));
    expect(observed).toMatchObject([
      { running: true, intentId: 'one' },
      { running: true, intentId: 'one' },
    ]);
    expect(await provider.list('other')).toEqual([]);
    const id = launched[0]!.instanceId;
    const log = join(stateDir, id, 'log');
    await until(() => existsSync(log) && readFileSync(log, 'utf8').includes('booted'), 'its log says that it booted');
    const environment = readFileSync(join(workOf(id), 'env'), 'utf8');
    expect(environment).toContain(`SHOAL_INSTANCE_ID=${id}\n`);
    expect(environment).toContain(`SHOAL_WORK_DIR=${workOf(id)}\n`);
    expect(environment).toContain('SHOAL_SLOTS=3\n');
    expect(environment).toContain('BASE=b\n');
    // Nothing of this process but PATH, HOME and LANG.
    expect(environment).not.toContain('VITEST');
  });

  it('launches once for one intent, however often and from wherever it is asked', async () => {
    const { open } = setUp();

    const outcomes = await Promise.all([
      open().launch(request('same', 2)),
      open().launch(request('same', 2)),
      open().launch(request('same', 2)),
    ]);
    const later = await open().launch(request('same', 2));

    const [first, ...others] = [...outcomes, later].map((outcome) => idsOf(outcome.launched));
    for (const other of others) expect(other).toEqual(first);
    expect(await open().list('default')).toHaveLength(2);
  });

  it('ends a machine that goes when asked, and lists it as ended', async () => {
    const { provider } = setUp();
    const { launched } = await provider.launch(request('one'));

    await provider.terminate([...idsOf(launched), 'local-000000000000', '../../etc']);

    expect(await provider.list('default')).toMatchObject([{ running: false }]);
  });

  it('ends a machine by force that ignores SIGTERM, and the process groups it had recorded', async () => {
    const marker = `stubborn-${process.pid}`;
    // A group of its own, as the agent starts one for each task; its leader records itself.
    const { provider, workOf, open } = setUp(
      `trap '' TERM\nsetsid bash -c 'echo > "$SHOAL_WORK_DIR/groups/$$"; trap "" TERM; while :; do sleep 0.1; done' ${marker} &`,
    );
    const { launched } = await provider.launch(request('one'));
    await recordedGroup(workOf(idsOf(launched)[0] ?? ''));

    await open().terminate(idsOf(launched));

    await until(() => runningWith(marker).length === 0, 'the task is gone');
    expect(await provider.list('default')).toMatchObject([{ running: false }]);
  });

  it('ends what is left of a machine whose bootstrap was killed', async () => {
    const marker = `orphan-${process.pid}`;
    const { provider, stateDir, workOf } = setUp(
      `setsid bash -c 'echo > "$SHOAL_WORK_DIR/groups/$$"; while :; do sleep 0.1; done' ${marker} &
       bash -c 'while :; do sleep 0.1; done' ${marker}-agent &`,
    );
    const { launched } = await provider.launch(request('one'));
    const id = launched[0]!.instanceId;
    await recordedGroup(workOf(id));
    await until(() => runningWith(marker).length === 2, 'agent and task run');
    const { pid } = JSON.parse(readFileSync(join(stateDir, id, 'meta.json'), 'utf8'));

    process.kill(pid, 'SIGKILL');
    await until(async () => (await provider.list('default')).every((each) => !each.running), 'it is seen as ended');

    await until(() => runningWith(marker).length === 0, 'agent and task are gone');
  });

  it('says that a machine could not be launched, and can be asked again', async () => {
    const { stateDir, provider } = setUp();
    const broken = new LocalInstanceProvider({
      stateDir,
      bootstrapPath: '/nowhere',
      baseEnvironment: { 'BAD\0NAME': 'x' },
    });

    const outcome = await broken.launch(request('one'));
    const again = await provider.launch(request('one'));

    expect(outcome).toMatchObject({ launched: [], errors: [{ code: 'LaunchFailed', retryable: true }] });
    expect(again.launched).toHaveLength(1);
    expect(await provider.list('default')).toMatchObject([{ running: true }]);
  });

  it('takes a process of the same number but another start time for another one', async () => {
    const { stateDir, provider } = setUp();
    const instanceId = 'local-0123456789ab';
    mkdirSync(join(stateDir, instanceId));
    const meta = { instanceId, fleet: 'default', intentId: 'i', pid: process.pid, startedAt: '1' };
    writeFileSync(
      join(stateDir, instanceId, 'meta.json'),
      JSON.stringify({ ...meta, launchedAt: new Date().toISOString() }),
    );

    await provider.terminate([instanceId]);

    expect(await provider.list('default')).toMatchObject([{ instanceId, running: false }]);
  });
});
