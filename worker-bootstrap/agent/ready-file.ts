/** What `bootstrap.sh` waits for: a file that is there once the control plane has been told that this machine is ready. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StatusChannel } from '../../core/ports.ts';

/** The channel, and with its first READY the file `ready` in the work folder. */
export function withReadyFile(status: StatusChannel, workDir: string): StatusChannel {
  return {
    async publish(events) {
      await status.publish(events);
      const ready = events.some((event) => event.kind === 'instance' && event.state === 'READY');
      if (ready) await writeFile(join(workDir, 'ready'), '');
    },
  };
}
