import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../adapters/local/testing/temporary-folder.ts';
import { buildAgent } from './build.ts';

describe('buildAgent', () => {
  it('makes one small file, the same each time, that needs nothing but Node', async () => {
    const folder = temporaryFolder();

    const agent = await buildAgent(join(folder, 'agent.mjs'));
    const again = await buildAgent(join(folder, 'again.mjs'));

    expect(agent.bytes).toBeLessThan(750_000);
    expect(again.sha256).toBe(agent.sha256);
    // In a folder without node_modules it comes as far as its settings, and names every one that is missing.
    const run = spawnSync(process.execPath, [agent.path], { cwd: folder, env: {}, encoding: 'utf8' });
    expect(run.status).toBe(78);
    expect(run.stderr).toContain('SHOAL_STAGE is required');
    expect(run.stderr).toContain('SHOAL_BUCKET is required');
  });

  it('evaluates at the start what asks for tasks, and nothing that only some tasks need', async () => {
    const { path, evaluatedAtStart } = await buildAgent(join(temporaryFolder(), 'agent.mjs'));
    const has = (part: string): boolean => evaluatedAtStart.some((module) => module.includes(part));

    expect(has('@aws-sdk/client-sqs/')).toBe(true);
    expect(has('@aws-sdk/client-s3/')).toBe(false);
    expect(has('@aws-sdk/client-ssm/')).toBe(false);
    expect(has('adapters/git/')).toBe(false);
    expect(has('adapters/gcp/pubsub')).toBe(false);
    expect(has('adapters/azure/service-bus')).toBe(false);
    // Node's own second HTTP client: an `import` of `node:http` would bring it.
    const tell =
      'process.on("exit", () => console.log(process.moduleLoadList.some((name) => name.includes("undici"))))';
    const run = spawnSync(process.execPath, ['--import', `data:text/javascript,${tell}`, path], { env: {} });
    expect(run.stdout.toString()).toBe('false\n');
  });
});
