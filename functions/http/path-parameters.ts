/** The ids in a path: what is no id names nothing, so it is not found. */
import { NotFoundError } from '../../core/errors.ts';
import { isJobId, parseTaskId, type TaskPosition } from '../../core/ids.ts';
import type { ApiRequest } from './api-handler.ts';

/** @throws NotFoundError */
export function jobIdOf(request: ApiRequest): string {
  const jobId = request.params['jobId'] ?? '';
  if (!isJobId(jobId)) throw new NotFoundError('there is no such job');
  return jobId;
}

/** @throws NotFoundError */
export function taskPositionOf(request: ApiRequest): TaskPosition {
  const position = parseTaskId(request.params['taskId'] ?? '');
  if (!position) throw new NotFoundError('there is no such task');
  return position;
}
