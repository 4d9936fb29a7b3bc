/** A task message out of a body, whichever queue it comes from. */
import { type TaskMessage, taskMessageSchema } from '../core/messages.ts';
import { formatPath } from '../core/validation.ts';
import { parsedJson } from './parsed-json.ts';

export type ReadMessage = { readonly message: TaskMessage } | { readonly reason: string };

export function readTaskMessage(body: string): ReadMessage {
  const json = parsedJson(body);
  if (json === undefined) return { reason: 'the body is not JSON' };
  const parsed = taskMessageSchema.safeParse(json);
  if (parsed.success) return { message: parsed.data };
  return { reason: parsed.error.issues.map((issue) => `${formatPath(issue.path)}: ${issue.message}`).join('; ') };
}
