import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jobIdFactory } from '../test/factories/ids.ts';
import {
  blobKeys,
  CHUNK_SIZE,
  chunkOf,
  chunksOf,
  isJobId,
  jobIdFromUlid,
  parseTaskId,
  taskIdOf,
  taskQueueName,
} from './ids.ts';

describe('ids', () => {
  it('finds job and index again in every task id', () => {
    fc.assert(
      fc.property(fc.ulid(), fc.nat(9_999_999), (ulid, index) => {
        const jobId = jobIdFromUlid(ulid);

        expect(isJobId(jobId)).toBe(true);
        expect(parseTaskId(taskIdOf(jobId, index))).toEqual({ jobId, index });
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['a job id alone', jobIdFactory()],
    ['a leading zero', `${jobIdFactory()}-01`],
    ['a negative index', `${jobIdFactory()}--1`],
    ['eight digits', `${jobIdFactory()}-10000000`],
    ['a letter that no ULID has', 'job_01JD8Z3K9MU000000000000000-1'],
    ['a lower-case ULID', `${jobIdFactory().toLowerCase()}-1`],
    ['something after the end', `${jobIdFactory()}-1\n`],
    ['a path', `../${jobIdFactory()}-1`],
  ])('takes %s for no task id', (_what, text) => {
    expect(parseTaskId(text)).toBeUndefined();
  });

  it('puts every task in exactly one of its job’s chunks', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.nat(), (taskCount, any) => {
        const index = any % taskCount;
        const chunks = chunksOf(taskCount);

        expect(chunks).toContain(chunkOf(index));
        expect(chunks).toEqual([...chunks.keys()]);
        expect(chunks.length * CHUNK_SIZE).toBeGreaterThanOrEqual(taskCount);
        expect((chunks.length - 1) * CHUNK_SIZE).toBeLessThan(taskCount);
      }),
    );
  });

  it('gives a zombie’s result another place than the winner’s', () => {
    const jobId = jobIdFactory();
    const taskId = taskIdOf(jobId, 7);

    const keys = [
      blobKeys.result(jobId, taskId, 1, 'lease-a'),
      blobKeys.result(jobId, taskId, 1, 'lease-b'),
      blobKeys.result(jobId, taskId, 2, 'lease-a'),
      blobKeys.log(jobId, taskId, 1, 'lease-a'),
      blobKeys.inputs(jobId, 0),
    ];

    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((key) => key.startsWith(`jobs/${jobId}/`))).toBe(true);
    expect(blobKeys.control('default')).toBe('control/default.json');
  });

  it('names a task queue by fleet, priority and stage', () => {
    expect(taskQueueName('render-farm', 'high', 'dev')).toBe('shoal-tasks-render-farm-high-dev');
  });
});
