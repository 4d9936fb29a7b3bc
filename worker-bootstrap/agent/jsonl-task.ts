/**
 * A task of the `jsonl` protocol: the input is one line on the command's stdin, the answer one line on its stdout. The
 * command runs on from task to task; only one that broke the protocol or had to be stopped is started anew.
 *
 * The answer is the result, unless it is an object with the key `shoal`: `{"shoal":"failed","message":"…","retry":true}`
 * fails the task without ending the command.
 */
import { z } from 'zod';
import type { Failure } from '../../core/task.ts';
import { BoundedOutput } from './bounded-output.ts';
import type { CommandRun } from './command-run.ts';
import { failureOfRun } from './describe-end.ts';
import type { DiskSpace } from './disk-space.ts';
import type { JsonlPool } from './jsonl-pool.ts';
import { type JsonlAnswer, JsonlProcess } from './jsonl-process.ts';
import { KeptOutput } from './kept-output.ts';
import type { MemoryShortage } from './memory-shortage.ts';
import type { Command, NotStarted, RunLimits } from './process-group.ts';
import type { ProcessGroups } from './process-groups.ts';
import { firstBytes, parseJson, tooLargeResult } from './read-result.ts';

/** Bytes of stderr that are kept for the failure's message. */
const KEPT_STDERR_BYTES = 64 * 1024;

export interface JsonlQuestion {
  readonly jobId: string;
  /** Same key, same process. */
  readonly key: string;
  /** The input, without a line break. */
  readonly line: string;
  /** Makes what a new process needs; `cleanUp` is called when that is gone. */
  readonly command: () => Promise<{ readonly command: Command; readonly cleanUp: () => PromiseLike<void> }>;
  readonly limits: RunLimits;
  readonly maxResultBytes: number;
  readonly maxLogBytes: number;
}

export interface JsonlTools {
  readonly pool: JsonlPool;
  readonly groups: ProcessGroups;
  readonly disk: DiskSpace;
  readonly memory: MemoryShortage;
}

/** Asks a process that waits, or a new one, and keeps it for the next task where that is possible. */
export async function runJsonl(question: JsonlQuestion, tools: JsonlTools): Promise<CommandRun> {
  const stderr = new BoundedOutput(KEPT_STDERR_BYTES);
  const kept = new KeptOutput(question.maxLogBytes);
  using watch = tools.disk.watch();
  const memory = tools.memory.watch();
  const onStderr = (chunk: Buffer): void => {
    stderr.append(chunk);
    kept.append(chunk);
  };
  for (;;) {
    const process = (await tools.pool.take(question.key)) ?? (await startProcess(question, tools));
    if (!(process instanceof JsonlProcess)) return process;
    const before = process.answers;
    const answer = await process.ask(question.line, {
      ...question.limits,
      onStderr,
      maxBytes: question.maxResultBytes,
    });
    const said = outcomeOf(answer, question, stderr);
    const outcome = 'failure' in said ? { failure: await memory.explain(said.failure) } : said;
    if ('failure' in outcome && outcome.failure.code === 'result-invalid') await process.kill();
    // Not before the slot is free for another one.
    else if (!process.isUsable) await process.ended;
    // It ended between two tasks, of its own accord: nobody's failure. A new one has not answered yet, so this ends.
    if (retired(answer) && before > 0) continue;
    tools.pool.giveBack(question.key, question.jobId, process);
    const printed = kept.bytes > 0 ? kept : null;
    const diskFull = 'failure' in outcome ? await watch.fullness() : null;
    return { kind: 'ran', seconds: answer.seconds, endedFor: answer.endedFor, diskFull, printed, outcome };
  }
}

async function startProcess(question: JsonlQuestion, { pool, groups }: JsonlTools): Promise<JsonlProcess | NotStarted> {
  pool.makeRoom();
  const { command, cleanUp } = await question.command();
  return JsonlProcess.start(command, groups, cleanUp);
}

/** Later than this it had begun to work on the task. */
const RETIRED_SECONDS = 1;
function retired(answer: JsonlAnswer): boolean {
  if (answer.endedFor !== null) return false;
  if (answer.kind === 'closed') return true;
  if (answer.kind !== 'ended') return false;
  const { end, isUnread, seconds } = answer;
  return isUnread || (end.kind === 'exited' && end.code === 0 && seconds < RETIRED_SECONDS);
}

const envelopeSchema = z.object({
  shoal: z.literal('failed'),
  message: z.string().default('the command reported a failure'),
  retry: z.boolean().default(false),
});

function outcomeOf(
  answer: JsonlAnswer,
  { limits, maxResultBytes }: JsonlQuestion,
  stderr: BoundedOutput,
): { json: string } | { failure: Failure } {
  if (answer.endedFor === 'timeout' || answer.kind === 'ended') {
    const end = answer.kind === 'ended' ? answer.end : ({ kind: 'exited', code: 0 } as const);
    const failure = failureOfRun({ end, endedFor: answer.endedFor, stderr }, limits.timeoutSeconds);
    return { failure: failure ?? { code: 'exit', exitCode: 0, message: 'exited with code 0 before it answered' } };
  }
  if (answer.kind === 'overlong')
    return { failure: tooLargeResult(`the answer has more than ${maxResultBytes} bytes`) };
  const invalid = (message: string) => ({ failure: { code: 'result-invalid', message } as const });
  if (answer.kind === 'closed') return invalid(`closed its ${answer.what} before it answered`);
  const json = parseJson(answer.bytes);
  if (json === undefined) return invalid(`the answer is not JSON in UTF-8; it starts with ${firstBytes(answer.bytes)}`);
  const said = json.includes('"shoal"') ? JSON.parse(json) : null;
  if (!isEnvelope(said)) return { json };
  const envelope = envelopeSchema.safeParse(said);
  if (!envelope.success)
    return invalid(`"shoal" must be "failed" in an answer; it starts with ${firstBytes(answer.bytes)}`);
  const { message, retry } = envelope.data;
  return { failure: { code: 'reported', message: message.slice(0, 2_000), retry } };
}

const isEnvelope = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, 'shoal');
