import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { NotFoundError, ValidationError } from '../../core/errors.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { jobIdOf, taskPositionOf } from './path-parameters.ts';
import { limitParameter, readQuery } from './query-parameters.ts';

const request = (query: Record<string, string> = {}, params: Record<string, string> = {}) => ({
  query,
  params,
  headers: {},
  body: undefined,
});
const shape = { status: z.enum(['OPEN', 'CLOSED']).optional(), limit: limitParameter(100, 10) };

describe('query parameters', () => {
  it('are read as what they mean', () => {
    expect(readQuery(request({ status: 'OPEN', limit: '7' }), shape)).toEqual({ status: 'OPEN', limit: 7 });
    expect(readQuery(request(), shape)).toEqual({ limit: 10 });
  });

  it('are refused with every fault at once, unknown ones too', () => {
    const read = () => readQuery(request({ status: 'open', limit: '0', page: '2' }), shape);

    expect(read).toThrow(ValidationError);
    expect(read).toThrow(
      expect.objectContaining({ faults: ['status', 'limit', 'page'].map((path) => expect.objectContaining({ path })) }),
    );
  });

  it.each(['101', '-1', '1.5', 'ten', '', 'Infinity'])('hold no limit of "%s"', (limit) => {
    expect(() => readQuery(request({ limit }), shape)).toThrow(ValidationError);
  });

  it('with a name that objects have by themselves are unknown', () => {
    const query = JSON.parse('{"__proto__":"x","constructor":"y"}');

    expect(() => readQuery(request(query), shape)).toThrow(ValidationError);
  });
});

describe('ids in a path', () => {
  it('name a job or a task', () => {
    expect(jobIdOf(request({}, { jobId: jobIdFactory() }))).toBe(jobIdFactory());
    expect(taskPositionOf(request({}, { taskId: taskIdFactory(7) }))).toEqual({ jobId: jobIdFactory(), index: 7 });
  });

  it.each(['', 'job_', '__proto__', '../secrets', 'job_01JD8Z3K9M'])('that are none name nothing: "%s"', (id) => {
    expect(() => jobIdOf(request({}, { jobId: id }))).toThrow(NotFoundError);
    expect(() => taskPositionOf(request({}, { taskId: id }))).toThrow(NotFoundError);
  });

  it('that are not there name nothing', () => {
    expect(() => jobIdOf(request())).toThrow(NotFoundError);
    expect(() => taskPositionOf(request())).toThrow(NotFoundError);
  });
});
