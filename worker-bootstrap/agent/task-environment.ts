/**
 * The environment of a command: made from nothing. No variable of the agent's own gets through, so that a command sees
 * neither the machine's credentials nor its settings.
 */
import type { TaskMessage } from '../../core/messages.ts';
import type { TaskFolder } from './task-folders.ts';

/** What every command needs to work at all. */
export const commandEnvironment = (places: { home: string; temporary: string; path: string }) => ({
  PATH: places.path,
  HOME: places.home,
  TMPDIR: places.temporary,
  LANG: 'C.UTF-8',
});

/** The environment of a `jsonl` command: it serves many tasks, so that nothing here speaks of one. */
export const jsonlEnvironment = (
  { code, jobId }: TaskMessage,
  folder: Pick<TaskFolder, 'home' | 'temporary'>,
  path: string,
): Record<string, string> => ({
  ...commandEnvironment({ home: folder.home, temporary: folder.temporary, path }),
  ...code.env,
  SHOAL_JOB_ID: jobId,
  SHOAL_COMMIT: code.commit,
});

/** The whole environment of a task's command. The job's own variables may replace ours, but never SHOAL_*. */
export function taskEnvironment(
  message: TaskMessage,
  key: string | undefined,
  folder: TaskFolder,
  path: string,
): Record<string, string> {
  return {
    ...commandEnvironment({ home: folder.home, temporary: folder.temporary, path }),
    ...message.code.env,
    SHOAL_TASK_ID: message.taskId,
    SHOAL_ATTEMPT: String(message.attempt),
    SHOAL_JOB_ID: message.jobId,
    SHOAL_COMMIT: message.code.commit,
    ...(key === undefined ? {} : { SHOAL_TASK_KEY: key }),
    SHOAL_INPUT_FILE: folder.inputFile,
    SHOAL_RESULT_FILE: folder.resultFile,
    SHOAL_CHECKPOINT_FILE: folder.checkpointFile,
  };
}
