/**
 * A command of the `jsonl` protocol: started once, it gets one line of JSON a task on stdin and answers each with one
 * line of JSON on stdout. One question at a time. A process that breaks this (a line that nobody asked for, a line too
 * long, an end of its input or output while it lives) or that had to be stopped is not asked again.
 */
import { systemClock } from './clock.ts';
import { OutputGate } from './output-gate.ts';
import {
  type Command,
  type EndedFor,
  guardGroup,
  type NotStarted,
  type ProgramEnd,
  type RunLimits,
  type StartedGroup,
  startGroup,
} from './process-group.ts';
import { type ProcessGroups, signalGroup } from './process-groups.ts';
import { secondsSince } from './run-program.ts';
import { sleep } from './sleep.ts';

const NEWLINE = 0x0a;
/** After its first answer a process may say so long what it says too much: one that does so does it from the first task on. */
const SETTLE_MS = 100;
/** So many blanks are no answer, but no breach either. */
const MAX_BLANK_BYTES = 64 * 1024;
/** What has closed its input or output mostly ends a moment later. */
const CLOSED_MS = 1_000;

type Heard =
  | { readonly kind: 'line'; readonly bytes: Buffer }
  | { readonly kind: 'overlong' }
  /** The process ended before it answered; `isUnread`: before it had read the question, too. */
  | { readonly kind: 'ended'; readonly end: ProgramEnd; readonly isUnread: boolean }
  /** It lives, but can no longer be asked, or answer. */
  | { readonly kind: 'closed'; readonly what: 'input' | 'output' };

export type JsonlAnswer = Heard & { readonly seconds: number; readonly endedFor: EndedFor };

interface Question {
  readonly onStderr: (chunk: Buffer) => void;
  readonly maxBytes: number;
  readonly hear: (heard: Heard) => void;
  isAnswered: boolean;
}

export class JsonlProcess {
  readonly #group: StartedGroup;
  #question: Question | undefined;
  #open: Buffer[] = [];
  #openBytes = 0;
  /** Since the last question or answer. */
  #saidBytes = 0;
  #isUsable = true;
  /** What it says counts no more. */
  #isOver = false;
  #closed: 'input' | 'output' | undefined;
  #isGone = false;
  #end: ProgramEnd | undefined;
  #answers = 0;
  #answeredAt = 0;
  /** Resolves when the process and all it left behind are gone. */
  readonly ended: Promise<ProgramEnd>;

  private constructor(group: StartedGroup, cleanUp: () => PromiseLike<void>) {
    this.#group = group;
    const gate = new OutputGate();
    group.child.stdout?.on('data', (chunk: Buffer) => this.#onOutput(chunk));
    group.child.stdout?.once('end', () => this.#onClosed('output'));
    // EPIPE, which comes at the next question.
    group.child.stdin?.once('error', () => this.#onClosed('input'));
    // What is said between two tasks belongs to none.
    gate.read(group.child.stderr, (chunk) => this.#question?.onStderr(chunk));
    this.ended = group.exited.then(async (end) => {
      this.#isUsable = false;
      gate.open();
      await group.cleanUp();
      this.#isGone = true;
      await cleanUp();
      this.#end = end;
      this.#hearEnd(end);
      return end;
    });
  }

  /** @param cleanUp what to do when the process is gone, before `ended` says so */
  static async start(
    command: Command,
    groups: ProcessGroups,
    cleanUp: () => PromiseLike<void>,
  ): Promise<JsonlProcess | NotStarted> {
    const group = await startGroup(command, groups);
    if (group.kind === 'started') return new JsonlProcess(group, cleanUp);
    await cleanUp();
    return group;
  }

  /** Whether it may be asked: it runs, and kept to the protocol so far. */
  get isUsable(): boolean {
    return this.#isUsable;
  }

  /** How many tasks it answered. */
  get answers(): number {
    return this.#answers;
  }

  /** Resolves when what it may have said beyond its last answer is heard: only then it shows whether it may be asked again. */
  async settled(): Promise<void> {
    const wait = this.#answers === 1 ? this.#answeredAt + SETTLE_MS - performance.now() : 0;
    if (wait > 0) await sleep(systemClock, wait);
    // Timers come before output in a turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Asks one question and waits for its answer, or for the end of the process. */
  async ask(line: string, options: RunLimits & Pick<Question, 'onStderr' | 'maxBytes'>): Promise<JsonlAnswer> {
    const began = performance.now();
    const heard = new Promise<Heard>((hear) => {
      this.#question = { onStderr: options.onStderr, maxBytes: options.maxBytes, hear, isAnswered: false };
      this.#saidBytes = 0;
    });
    using guard = guardGroup(options, this.#group.pgid);
    this.#group.child.stdin?.write(`${line}\n`);
    if (this.#end) this.#hearEnd(this.#end);
    // Never a race with `ended`: what is raced with a promise that lives long is remembered by it as long.
    const answer = await heard;
    const [seconds, endedFor] = [secondsSince(began), guard.endedFor()];
    // What was said on stderr before the answer may be read after it, later in the same turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    this.#question = undefined;
    if (answer.kind !== 'line') this.#giveUp();
    else {
      this.#answers += 1;
      this.#answeredAt = performance.now();
    }
    // It was told to end, and will be gone when the guard is.
    if (endedFor !== null) await this.#endNow(options);
    else if (answer.kind === 'closed') await this.kill();
    return { ...answer, seconds, endedFor };
  }

  /** Ends it in order: the end of its input, SIGTERM, SIGKILL, each after a grace. */
  async end({ graceSeconds, hurry, kill }: { graceSeconds: number; hurry: AbortSignal; kill: AbortSignal }) {
    this.#giveUp();
    this.#group.child.stdin?.end();
    await this.#endedWithin(graceSeconds, AbortSignal.any([hurry, kill]));
    this.#signal('SIGTERM');
    await this.#endedWithin(graceSeconds, kill);
    await this.kill();
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.#giveUp();
    this.#signal('SIGKILL');
    await this.ended;
  }

  /** It has its SIGTERM already. */
  async #endNow({ graceSeconds, kill }: RunLimits): Promise<void> {
    this.#giveUp();
    this.#group.child.stdin?.end();
    await this.#endedWithin(graceSeconds, kill);
    await this.kill();
  }

  async #endedWithin(seconds: number, cut: AbortSignal): Promise<void> {
    const gone = new AbortController();
    void this.ended.then(() => gone.abort());
    await sleep(systemClock, seconds * 1_000, AbortSignal.any([gone.signal, cut]));
  }

  /** Its number may be somebody else's once it is gone. */
  #signal(signal: NodeJS.Signals): void {
    if (!this.#isGone) signalGroup(this.#group.pgid, signal);
  }

  #onOutput(chunk: Buffer): void {
    this.#saidBytes += chunk.length;
    if (this.#saidBytes > MAX_BLANK_BYTES + (this.#unanswered?.maxBytes ?? 0)) this.#break();
    // A flood of blank lines must not cost the agent a look at each.
    if (this.#isOver || (this.#open.length === 0 && isBlank(chunk))) return;
    let rest = chunk;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      this.#extend(rest.subarray(0, end));
      this.#close();
      rest = rest.subarray(end + 1);
    }
    this.#extend(rest);
  }

  #extend(part: Buffer): void {
    if (part.length === 0 || this.#isOver) return;
    const question = this.#unanswered;
    // Nobody asked, or nobody asked for so much: what else comes could be taken for another task's answer.
    if (question) {
      this.#open.push(part);
      this.#openBytes += part.length;
    }
    if (question ? this.#openBytes > question.maxBytes : !isBlank(part)) this.#break();
  }

  #close(): void {
    const bytes = Buffer.concat(this.#open);
    this.#open = [];
    this.#openBytes = 0;
    if (!this.#question || isBlank(bytes)) return;
    this.#question.hear({ kind: 'line', bytes });
    this.#question.isAnswered = true;
    this.#saidBytes = 0;
  }

  get #unanswered(): Question | undefined {
    return this.#question?.isAnswered ? undefined : this.#question;
  }

  #break(): void {
    if (this.#isOver) return;
    this.#giveUp();
    this.#question?.hear({ kind: 'overlong' });
    this.#signal('SIGKILL');
  }

  #giveUp(): void {
    this.#isUsable = false;
    this.#isOver = true;
    this.#open = [];
  }

  #hearEnd(end: ProgramEnd): void {
    this.#question?.hear({ kind: 'ended', end, isUnread: this.#closed === 'input' });
  }

  /** It may have answered already, or be about to end and so to say why itself. */
  #onClosed(what: 'input' | 'output'): void {
    this.#isUsable = false;
    this.#closed ??= what;
    const late = setTimeout(() => {
      if (this.#unanswered) this.#unanswered.hear({ kind: 'closed', what });
      else if (!this.#isOver) this.#signal('SIGKILL');
    }, CLOSED_MS);
    void this.ended.then(() => clearTimeout(late));
  }
}

const isBlank = (part: Buffer): boolean => part.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d));
