import { describe, expect, it } from 'vitest';
import { jobIdFactory } from '../test/factories/ids.ts';
import { at } from '../test/factories/manual-clock.ts';
import {
  controlDocumentSchema,
  emptyControlDocument,
  hasJobLeft,
  isJobCancelled,
  isJobPaused,
  withCancelledJob,
  withLeftJob,
  withPausedJob,
} from './control-document.ts';

const DAY = 86_400;
const cancel = (jobIds: readonly string[], seconds: number, document = emptyControlDocument) =>
  jobIds.reduce((done, jobId) => withCancelledJob(done, jobId, new Date(at(seconds))), document);

describe('the control document', () => {
  it('cancels nothing at first', () => {
    expect(isJobCancelled(emptyControlDocument, jobIdFactory())).toBe(false);
    expect(controlDocumentSchema.parse(emptyControlDocument)).toEqual(emptyControlDocument);
  });

  it('says once which jobs went to other fleets, and no more of them that they pause', () => {
    const paused = withPausedJob(emptyControlDocument, jobIdFactory(), new Date(at(0)));

    const left = withLeftJob(paused, jobIdFactory(), new Date(at(1)));

    expect(hasJobLeft(left, jobIdFactory())).toBe(true);
    expect(hasJobLeft(left, jobIdFactory(2))).toBe(false);
    expect(isJobPaused(left, jobIdFactory())).toBe(false);
    expect(withLeftJob(left, jobIdFactory(), new Date(at(2)))).toBe(left);
    expect(withLeftJob(left, jobIdFactory(2), new Date(at(1 + 14 * DAY))).leftJobs).toHaveLength(1);
    const { leftJobs: _none, ...older } = emptyControlDocument;
    expect(controlDocumentSchema.parse(older)).toEqual(emptyControlDocument);
  });

  it('keeps earlier cancellations beside a new one', () => {
    const document = cancel([jobIdFactory(1), jobIdFactory(2)], 0);

    expect([1, 2, 3].map((n) => isJobCancelled(document, jobIdFactory(n)))).toEqual([true, true, false]);
    expect(controlDocumentSchema.parse(document)).toEqual(document);
  });

  it('names a job cancelled twice once, with the later time', () => {
    const document = cancel([jobIdFactory()], 60, cancel([jobIdFactory()], 0));

    expect(document.cancelledJobs).toEqual([{ jobId: jobIdFactory(), at: at(60) }]);
  });

  it('forgets a job only when none of its messages can be left on a queue, after 14 days', () => {
    const first = cancel([jobIdFactory(1)], 0);

    const inTime = cancel([jobIdFactory(2)], 14 * DAY - 1, first);
    const late = cancel([jobIdFactory(2)], 14 * DAY, first);

    expect(isJobCancelled(inTime, jobIdFactory(1))).toBe(true);
    expect(isJobCancelled(late, jobIdFactory(1))).toBe(false);
  });

  it('leaves draining machines and the document it was given alone', () => {
    const before = { ...emptyControlDocument, drainingInstances: ['i-1'] };

    const after = cancel([jobIdFactory()], 0, before);

    expect(after.drainingInstances).toEqual(['i-1']);
    expect(before.cancelledJobs).toEqual([]);
  });
});
