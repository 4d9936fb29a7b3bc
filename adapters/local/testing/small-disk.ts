/** A real disk of a few MiB, for tests that fill one. Only root may mount it, and not in every container. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Mounts an empty disk of 16 MiB over the folder. */
export const mountSmallDisk = (folder: string): boolean =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'shoal-test', folder]).status === 0;

export const unmount = (folder: string): void => void spawnSync('umount', ['-l', folder]);

export const mayMount = ((): boolean => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-mount-'));
  const mounted = mountSmallDisk(folder);
  if (mounted) unmount(folder);
  rmdirSync(folder);
  return mounted;
})();
