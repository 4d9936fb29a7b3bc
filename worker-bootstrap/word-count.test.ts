import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { jobSubmissionSchema } from '../core/job-submission.ts';
import { parseDocument } from '../core/validation.ts';
import { runOneTask } from './testing/run-one-task.ts';

const fileOf = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../examples/word-count/${name}`, import.meta.url)), 'utf8');

const job = parseDocument(jobSubmissionSchema, JSON.parse(fileOf('job.json')), 'the example job');

const files = { 'count.js': fileOf('count.js'), 'package.json': fileOf('package.json') };

describe('the word count example', () => {
  it('is a job that can be submitted as it is', () => {
    expect(job).toMatchObject({ maxInstances: 2, code: { run: ['node', 'count.js'] } });
    expect(job.tasks).toHaveLength(24);
    expect(new Set(job.tasks.map((task) => task.key)).size).toBe(24);
  });

  it('counts words in any language', async () => {
    const input = { text: "Ça va? Ça va! It's ¡fine!", sleep: 0 };

    const outcome = await runOneTask({ files, run: job.code.run, input });

    const json = '{"words":6,"unique":4,"top":[["va",2],["ça",2],["fine",1]]}';
    expect(outcome).toMatchObject({ kind: 'completed', result: { json } });
  });

  it('refuses an input without a text', async () => {
    const outcome = await runOneTask({ files, run: job.code.run, input: {} });

    expect(outcome).toMatchObject({ failure: { message: 'exited with code 1: the input needs a "text"' } });
  });
});
