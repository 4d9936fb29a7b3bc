import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import type { StatusEvent } from '../../core/messages.ts';
import { START } from '../../test/factories/manual-clock.ts';
import { withReadyFile } from './ready-file.ts';

const event = (state: 'READY' | 'DRAINING'): StatusEvent => ({
  kind: 'instance',
  instanceId: 'i-1',
  fleet: 'default',
  state,
  reason: null,
  at: START,
});

describe('the ready file', () => {
  it('is there once READY is published, and not before', async () => {
    const folder = temporaryFolder();
    let reachable = false;
    const channel = {
      publish: async () => {
        if (!reachable) throw new Error('no way to the queue');
      },
    };
    const status = withReadyFile(channel, folder);

    await expect(status.publish([event('READY')])).rejects.toThrow('no way');
    reachable = true;
    await status.publish([event('DRAINING')]);
    expect(existsSync(join(folder, 'ready'))).toBe(false);

    await status.publish([event('READY')]);
    expect(existsSync(join(folder, 'ready'))).toBe(true);
  });
});
