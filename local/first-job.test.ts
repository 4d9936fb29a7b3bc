import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { jobSubmissionSchema } from '../core/job-submission.ts';
import { makeFirstJob } from './first-job.ts';

describe('the first job', () => {
  it('can be submitted as it is, and names a repository with one commit on main', async () => {
    const job = await makeFirstJob();
    const { code, tasks } = jobSubmissionSchema.parse(job.document);
    const folder = fileURLToPath(code.repository);
    const files = execFileSync('git', ['-C', folder, 'ls-tree', '--name-only', 'main'], { encoding: 'utf8' });
    expect(files.split('\n')).toContain('count.js');
    expect(tasks).toHaveLength(24);
    await job.remove();
    expect(existsSync(folder)).toBe(false);
  });
});
