/**
 * The ports: what the use cases need of the world. `adapters/` implements them; each has one contract suite in
 * `test/contracts/` that runs over every implementation, the in-memory fakes included.
 */

import type { ControlDocument } from './control-document.ts';
import type { CounterDelta, Counters } from './counters.ts';
import type { FleetTrouble } from './fleet-trouble.ts';
import type { Priority } from './ids.ts';
import type { FleetDay, Instance, LaunchIntent } from './instance.ts';
import type { Job, JobProblem, JobStatus, JobSummary, SweepMark } from './job.ts';
import type { JobOutcome } from './job-outcome.ts';
import type { LaunchOutcome, LaunchRequest } from './launch.ts';
import type { BootRecord } from './launch-breaker.ts';
import type { DelayedMessage, StatusEvent, TaskMessage } from './messages.ts';
import type { Offer } from './offer.ts';
import type { MoveMark, Placement } from './placement.ts';
import type { QueueDepth, ScalePlan } from './plan-scale.ts';
import type { ObservedInstance, Suspect } from './reconcile-instances.ts';
import type { StockOut } from './stock-outs.ts';
import type { TaskRecord } from './task.ts';

export interface Clock {
  now(): Date;
}

// ── Queues ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The right to work on one task until its visibility timeout ends. */
export interface Lease {
  readonly leaseId: string;
  readonly receiptHandle: string;
  /** How often this message was received, this time included. */
  readonly receiveCount: number;
  readonly message: TaskMessage;
}

/** A message that is on a task queue but is no task message: not ours to run, and not ours to lose. */
export interface UnreadableMessage {
  readonly receiptHandle: string;
  readonly receiveCount: number;
  readonly reason: string;
}

export interface Received {
  readonly leases: readonly Lease[];
  readonly unreadable: readonly UnreadableMessage[];
}

/** One queue of a fleet: one priority. */
export interface TaskQueue {
  /**
   * Sends every message or throws.
   * @throws TransientError when some could not be sent; sending all again is harmless
   * @throws NotFoundError when there is no such queue
   */
  send(messages: readonly TaskMessage[]): Promise<void>;
  /** Waits up to `waitSeconds` (at most 20) for messages, and leases up to `maxMessages` (at most 10). */
  receive(options: { maxMessages: number; waitSeconds: number; leaseSeconds: number }): Promise<Received>;
  /** Removes messages for good. A message whose lease has lapsed may come again: that is no error. */
  acknowledge(leases: readonly Pick<Lease, 'receiptHandle'>[]): Promise<void>;
  /** Sets the time left of a lease; 0 returns the message at once. */
  changeLease(leases: readonly Pick<Lease, 'receiptHandle'>[], leaseSeconds: number): Promise<void>;
  /** Approximate, as the queue knows it; `null` from one that does not tell (Pub/Sub). */
  depth(): Promise<QueueDepth | null>;
}

export type TaskQueues = (fleet: string, priority: Priority) => TaskQueue;

/** One queue for the delays of all fleets and providers; what is due is forwarded to its fleet's queue. */
export interface DelayedQueue {
  /** Sends every message or throws. @throws TransientError when some could not be sent; sending all again is harmless */
  send(messages: readonly DelayedMessage[]): Promise<void>;
}

export interface StatusChannel {
  /** Publishes all events, packed; resolves only when the queue has them all. @throws TransientError */
  publish(events: readonly StatusEvent[]): Promise<void>;
}

/** How far the reports of machines have been read. */
export interface StatusFlow {
  /** What was reported before this moment is applied, as far as can be known; `null` when nothing is known. */
  appliedUntil(): Promise<Date | null>;
  /** A report that was sent at this time has been applied. */
  noteApplied(sentAt: Date): Promise<void>;
}

/** Where messages go that nobody can understand, each with the reason. */
export interface DeadLetterChannel {
  put(letters: readonly { readonly body: string; readonly reason: string; readonly source: string }[]): Promise<void>;
}

// ── Stores ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface JobProgress {
  readonly job: Job;
  readonly counters: Counters;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Hand it back to go on; absent when there is nothing more. What follows may turn out to be empty. */
  readonly cursor?: string;
}

/** What an `Idempotency-Key` led to. */
export interface IdempotencyRecord {
  /** Hash of caller and key. */
  readonly id: string;
  /** Hash of the request: the same key with another body is an error. */
  readonly requestHash: string;
  readonly jobId: string;
  /** The answer that was given, to be given again. */
  readonly answer: string;
  readonly expiresAt: string;
}

/** What of an open job may be changed; what is absent stays. */
export interface JobAmendment {
  readonly budgetUsd?: Job['budgetUsd'] | undefined;
  readonly maxInstances?: Job['maxInstances'] | undefined;
  readonly priority?: Job['priority'] | undefined;
}

export interface JobStore {
  /**
   * Writes job and idempotency record together, or neither: `false` when the record is there already. A retry is noted,
   * in the same write, by the first job of its chain.
   */
  create(job: Job, idempotency: IdempotencyRecord | null): Promise<boolean>;
  findIdempotency(id: string, now: Date): Promise<IdempotencyRecord | undefined>;
  /** Job and counters in one consistent read. */
  progress(jobId: string): Promise<JobProgress | undefined>;
  /** Newest first; `status` filters. Eventually consistent. */
  list(query: { status?: JobStatus; limit: number; cursor?: string }): Promise<Page<JobSummary>>;
  /** Ids of every job that is not closed. Eventually consistent; one read when there are none. */
  listOpen(): Promise<readonly string[]>;
  /**
   * Stores the token that the state machine waits for; the first time it makes PENDING ENQUEUED and says when. No-op on a
   * closed job.
   */
  awaitCompletion(jobId: string, taskToken: string, awaits: Job['awaits'], at: Date): Promise<void>;
  /**
   * PENDING or ENQUEUED → RUNNING: the first report may come before the last chunk is enqueued. In any status an open job
   * keeps the first time at which it was told.
   */
  markRunning(jobId: string, at: Date): Promise<void>;
  /** PENDING, ENQUEUED or RUNNING → PAUSED: `false` if it is neither. Whatever ends the pause clears what it was for. */
  pause(jobId: string, pausedFor: NonNullable<Job['pausedFor']>, reason: string): Promise<boolean>;
  /** PAUSED → RUNNING: `false` if it was not paused. */
  resume(jobId: string): Promise<boolean>;
  /**
   * Changes settings of an open job; what is left out stays. A changed priority is remembered beside the one that the job
   * had as it was read. `false` if the job is closed.
   */
  amend(job: Pick<Job, 'jobId' | 'priority'>, settings: JobAmendment): Promise<boolean>;
  /** → CANCELLING: `false` if the job is closed (or was cancelled already). @throws NotFoundError */
  requestCancel(jobId: string): Promise<boolean>;
  /** Keeps the latest trouble of a machine with this job's tasks. No-op on a closed job. */
  reportProblem(jobId: string, problem: JobProblem): Promise<void>;
  /**
   * Writes the placement of a job that leaves one fleet more, by compare-and-set: `false` if the job is closed, or has left
   * another one since it was read.
   */
  place(jobId: string, placement: Placement): Promise<boolean>;
  /** Remembers how far tasks of fleets that were left are sent again. No-op on a closed job. */
  markMoved(jobId: string, mark: MoveMark): Promise<void>;
  /** Remembers how far the sweep got. No-op on a closed job. */
  markSweep(jobId: string, mark: SweepMark): Promise<void>;
  /**
   * Fences the job's counters: no task of it changes any more. Needed before a job is judged whose tasks have not all
   * ended by themselves; without the fence one more could complete between judgement and verdict. May be repeated.
   */
  fence(jobId: string, at: Date): Promise<void>;
  /** Writes how the job ended. `false` if it was closed already. */
  close(jobId: string, outcome: JobOutcome, at: Date): Promise<boolean>;
}

/** One task's change: `previousVersion` is what the row must still be at, `null` that there must be no row. */
export interface TaskWrite {
  readonly task: TaskRecord;
  readonly previousVersion: number | null;
}

export type CommitOutcome =
  | { readonly kind: 'committed' }
  /** Nothing was written. The rows in the way, as they are now: read, decide again, commit again. */
  | { readonly kind: 'conflict'; readonly current: readonly TaskRecord[] }
  /** Nothing was written: the job's counters are fenced. */
  | { readonly kind: 'closed' };

/** At most so many task rows in one commit: a transaction holds 100 items, one of them is the counter. */
export const MAX_TASKS_PER_COMMIT = 99;

export interface TaskStore {
  /** Consistent. Tasks without a row are absent from the answer. */
  getMany(taskIds: readonly string[]): Promise<ReadonlyMap<string, TaskRecord>>;
  /** The rows of one chunk in index order, from `fromIndex` on, at most `limit`. Consistent. */
  listChunk(jobId: string, chunk: number, fromIndex: number, limit: number): Promise<readonly TaskRecord[]>;
  /** FAILED or RUNNING tasks in index order, from a sparse index: eventually consistent. */
  listByStatus(
    jobId: string,
    status: 'FAILED' | 'RUNNING',
    fromIndex: number,
    limit: number,
  ): Promise<readonly TaskRecord[]>;
  /** RUNNING tasks of one machine, of every job, from a sparse index: eventually consistent. */
  listByInstance(instanceId: string): Promise<readonly TaskRecord[]>;
  /**
   * Rows of one job and their counter change together, all or nothing. @throws TransientError when throttled
   * @param delta `null` for what touches no counter: evidence, which a fence does not keep out
   */
  commit(jobId: string, writes: readonly TaskWrite[], delta: CounterDelta | null): Promise<CommitOutcome>;
}

export interface FleetState {
  readonly intents: readonly LaunchIntent[];
  readonly lastPlan: (ScalePlan & { readonly at: string }) | null;
  /** Machines of which rows and provider disagreed at the last look. */
  readonly suspects?: readonly Suspect[] | undefined;
  /** Pools that had nothing to rent. */
  readonly stockOuts?: readonly StockOut[] | undefined;
  /** What is wrong with the fleet as a whole. */
  readonly trouble?: FleetTrouble | null | undefined;
  /** Grows with every write of the intents. */
  readonly version: number;
}

export interface InstanceChange {
  readonly state: Instance['state'];
  readonly reason: string | null;
  readonly at: string;
  /** What a machine says of itself; used only for one whose launch is not recorded. */
  readonly slots?: number | undefined;
  readonly expiresAt?: string | undefined;
}

export interface FleetRead {
  readonly state: FleetState;
  readonly instances: readonly Instance[];
  /** A machine that becomes READY ends a row of failures, one that fails before it was ever ready prolongs it. */
  readonly boots: BootRecord;
}

export interface FleetStore {
  /** State, the instances that have not ended, and how the latest boots went, in one consistent read. */
  read(fleet: string): Promise<FleetRead>;
  /** Compare-and-set of intents and plan: `false` if somebody wrote since `state` was read. */
  writeState(fleet: string, next: Omit<FleetState, 'version'>, expectedVersion: number): Promise<boolean>;
  /**
   * Records what was launched. A machine that reported before its launch was recorded keeps its state, readiness and
   * reason; everything else is taken from `instances`.
   */
  addInstances(instances: readonly Instance[]): Promise<void>;
  /**
   * Applies a report or an observation; states only go forward. A machine that is not known yet is taken in when it
   * reports a state that has not ended (its launch may be recorded later, or never: it may have joined by itself), and
   * ignored when it reports its end.
   */
  updateInstance(fleet: string, instanceId: string, change: InstanceChange): Promise<void>;
  /** Those of the machines, by their ids, that run or have ended in one of the fleets. Eventually consistent. */
  findMany(fleets: readonly string[], instanceIds: readonly string[]): Promise<ReadonlyMap<string, Instance>>;
  /** What its machines cost, by the day on which they ended, newest first. */
  listDays(fleet: string, limit: number): Promise<readonly FleetDay[]>;
  /** Instances that ended lately, newest first. */
  listEnded(fleet: string, limit: number): Promise<readonly Instance[]>;
}

export interface ApiKey {
  readonly keyId: string;
  readonly name: string;
  readonly createdAt: string;
}

export interface KeyStore {
  /** @param keyHash SHA-256 of the key in hex: the key itself is stored nowhere */
  find(keyHash: string): Promise<ApiKey | undefined>;
  put(keyHash: string, key: ApiKey): Promise<void>;
}

export interface BlobStore {
  put(key: string, body: string | Uint8Array, contentType: string): Promise<void>;
  /** The blob, or those bytes of it that there are; `undefined` if there is no such blob. */
  get(key: string, range?: ByteRange): Promise<Uint8Array | undefined>;
  /** Puts what is too much to be held in memory; nothing is there until all of it is. */
  putStream(key: string, body: ByteStream, contentType: string, signal?: AbortSignal): Promise<void>;
  /** The blob, piece by piece; `undefined` if there is none. */
  getStream(key: string, signal?: AbortSignal): Promise<ByteStream | undefined>;
}

/** Addresses at which anybody reads a blob for a while: for what is too large for an answer. */
export interface BlobLinks {
  /** Whether the blob is there shows when the address is asked. */
  link(key: string, expiresSeconds: number): Promise<string>;
}

export interface ByteStream {
  /** How many bytes are to come. */
  readonly bytes: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface ByteRange {
  readonly offset: number;
  readonly bytes: number;
}

export type ControlRead =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'document'; readonly document: ControlDocument; readonly etag: string | null };

export interface ControlChannel {
  /** The document, or `unchanged` if it still has that ETag. A document that was never written is the empty one. */
  read(fleet: string, etag?: string): Promise<ControlRead>;
  /** Changes the document by compare-and-set, as often as it takes. */
  update(fleet: string, change: (document: ControlDocument) => ControlDocument): Promise<void>;
}

// ── The outer world ─────────────────────────────────────────────────────────────────────────────────────────────────

export type ResolvedCode =
  | { readonly kind: 'resolved'; readonly commit: string }
  | { readonly kind: 'repository-not-found'; readonly message: string }
  | { readonly kind: 'ref-not-found'; readonly message: string }
  /** There is no secret of that name, or it is of no use for this repository. */
  | { readonly kind: 'credential-unusable'; readonly message: string };

export interface CodeResolver {
  /**
   * Pins a branch, tag or commit to a full SHA. `credential` is the name of a secret that may read the repository.
   * @throws TransientError when the host cannot be reached
   */
  resolve(code: { repository: string; ref: string; credential?: string | null }): Promise<ResolvedCode>;
}

/** Secrets by name. What it gives out is held in memory only: never logged, stored, or put into a message. */
export interface SecretSource {
  /** `undefined` if there is no such secret. @throws TransientError when the store cannot be reached */
  find(name: string): Promise<string | undefined>;
}

export interface InstanceProvider {
  readonly name: string;
  /** @throws TransientError when it is not known whether anything was launched: the intent then counts until it is */
  launch(request: LaunchRequest): Promise<LaunchOutcome>;
  /** Every machine of these fleets (of all fleets, when none is named) that runs, and those that ended lately. */
  list(...fleets: readonly string[]): Promise<readonly ObservedInstance[]>;
  /** Ends machines, whatever they do. Unknown ones are no error. */
  terminate(instanceIds: readonly string[]): Promise<void>;
  /** The end of what a machine printed while it booted, where the provider keeps that. Still there once it has ended. */
  consoleTail?(instanceId: string): Promise<string | null>;
}

/** What a provider tells a machine of its own end. */
export type InstanceNotice =
  /** The machine is taken away. */
  | { readonly kind: 'interruption'; readonly secondsLeft: number; readonly reason: string }
  /** It may be before long: a reason to begin nothing new. */
  | { readonly kind: 'rebalance'; readonly reason: string };

/** Where a machine hears of its own end. */
export interface NoticeSource {
  /** How long to wait between two questions. */
  readonly pauseSeconds: number;
  /** Asks once, which may take as long as the provider keeps the question open. Throws when there is no answer. */
  next(signal: AbortSignal): Promise<InstanceNotice | null>;
  /** The machine has nothing left to save: what was announced need not wait for it. */
  letGo?(): Promise<void>;
}

export interface OfferList {
  readonly offers: readonly Offer[];
  /** How old the prices are: the oldest among them. */
  readonly observedAt: string;
  /** Where they come from, in words for people. */
  readonly source: string;
}

/** What can be rented, and for how much. */
export interface OfferSource {
  /** May be hours old, and says how old. @throws TransientError when it cannot be had and none is known from before */
  list(): Promise<OfferList>;
}

/** What the state machine's wait is answered with. */
export type CompletionSignal = 'settled' | 'cancelling';

export interface JobMachine {
  /** Starts the job's execution; starting it twice is harmless. */
  start(job: Pick<Job, 'jobId' | 'taskCount' | 'maxDurationSeconds'>): Promise<void>;
  /** Answers a waiting token; `spent` if it was answered or timed out before: no error. */
  signal(taskToken: string, signal: CompletionSignal): Promise<'accepted' | 'spent'>;
}

/** Asks the scaler to look, now rather than at its next tick. */
export interface Waker {
  /** Never rejects: a scaler that could not be woken sees the same at its next tick. */
  wake(): Promise<void>;
}
