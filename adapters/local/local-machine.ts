/**
 * One local machine on disk: `{stateDir}/{instanceId}/` with `meta.json`, `log` and `work/`. The folder is all there is
 * to know about it, so that any process over the same folder sees the same machine.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isAlive, signalGroup, startTimeOf } from './process-liveness.ts';

const machineSchema = z.object({
  instanceId: z.string(),
  fleet: z.string(),
  intentId: z.string(),
  /** Of its bootstrap, which leads a process group. */
  pid: z.int().positive(),
  startedAt: z.string(),
  launchedAt: z.iso.datetime(),
});
export type LocalMachine = z.infer<typeof machineSchema>;

export const INSTANCE_ID = /^local-[0-9a-f]{12}$/;

export const placesOf = (stateDir: string, instanceId: string) => ({
  root: join(stateDir, instanceId),
  meta: join(stateDir, instanceId, 'meta.json'),
  log: join(stateDir, instanceId, 'log'),
  work: join(stateDir, instanceId, 'work'),
});

/** Written beside and renamed, because a reader may come at any moment. */
export async function writeMachine(stateDir: string, machine: LocalMachine): Promise<void> {
  const { meta } = placesOf(stateDir, machine.instanceId);
  await writeFile(`${meta}.new`, JSON.stringify(machine));
  await rename(`${meta}.new`, meta);
}

/** `undefined` if there is none, or if its launch has not come so far. */
export async function readMachine(stateDir: string, instanceId: string): Promise<LocalMachine | undefined> {
  if (!INSTANCE_ID.test(instanceId)) return undefined;
  const text = await readFile(placesOf(stateDir, instanceId).meta, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : machineSchema.parse(JSON.parse(text));
}

/** Every machine of the folder, the ended ones too. */
export async function readMachines(stateDir: string): Promise<LocalMachine[]> {
  const names = await readdir(stateDir).catch(() => []);
  const machines = await Promise.all(names.map((name) => readMachine(stateDir, name)));
  return machines.filter((machine) => machine !== undefined);
}

export const isMachineAlive = (machine: LocalMachine): Promise<boolean> => isAlive(machine);

/**
 * Ends what is left of a machine whose bootstrap is gone, as that would have done, had it not been killed itself: the
 * agent first, lest it reports its tasks as failed, then the groups that it had recorded.
 */
export async function endRemains(stateDir: string, { instanceId, pid }: LocalMachine): Promise<void> {
  // Once is enough, and more would be dangerous: some day the numbers belong to somebody else.
  const cleared = join(stateDir, instanceId, 'cleared');
  if (existsSync(cleared)) return;
  // While the group has members the system gives its number to nobody else.
  if ((await startTimeOf(pid)) === undefined) signalGroup(pid, 'SIGKILL');
  const folder = join(placesOf(stateDir, instanceId).work, 'groups');
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((each) => /^[1-9]\d+$/.test(each))) {
    const pgid = Number(name);
    const recorded = (await readFile(join(folder, name), 'utf8').catch(() => '')).trim();
    const now = await startTimeOf(pgid);
    // A leader that is gone leaves its number to its group; one with another start time is somebody else.
    if (recorded === '' || now === undefined || now === recorded) signalGroup(pgid, 'SIGKILL');
    await rm(join(folder, name), { force: true });
  }
  await writeFile(cleared, '');
}
