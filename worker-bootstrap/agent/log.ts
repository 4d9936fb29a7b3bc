/** Structured log lines: constant messages, data in keys; never an input, an environment value or a token. */
import type { Clock } from '../../core/ports.ts';

export type LogKeys = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  info(message: string, keys?: LogKeys): void;
  warn(message: string, keys?: LogKeys): void;
  error(message: string, keys?: LogKeys): void;
}

/** A log that writes one JSON line an entry; `context` is in each of them. */
export function createJsonLog(write: (line: string) => void, clock: Clock, context: LogKeys): Log {
  const at = (level: string) => (message: string, keys?: LogKeys) =>
    write(`${JSON.stringify({ at: clock.now().toISOString(), level, message, ...context, ...keys })}\n`);
  return { info: at('info'), warn: at('warn'), error: at('error') };
}

/** What an error says, for a log key or a reason. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
