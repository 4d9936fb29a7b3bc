/** From what is stored to what `planScale` reads, and from a launch to what is stored. Pure. */

import { type Clouds, servicesOf } from '../../core/clouds.ts';
import type { Fleet } from '../../core/fleet.ts';
import type { Instance } from '../../core/instance.ts';
import { isClosed, type Job, type JobStatus } from '../../core/job.ts';
import type { LaunchedInstance } from '../../core/launch.ts';
import type { MachineSettings } from '../../core/machine-environment.ts';
import type { OpenWork } from '../../core/plan-scale.ts';
import type { JobProgress } from '../../core/ports.ts';
import { slotsPerTask } from '../../core/slots.ts';
import { secondsPerTask } from '../../core/task-seconds.ts';
import type { FleetJob } from './fleet-job.ts';

export interface LaunchSettings extends MachineSettings {
  /** The other clouds that fleets are in; none, unless told. */
  readonly clouds?: Clouds;
  /** How many tasks of a slot each a machine runs at a time. */
  readonly slotsPerInstance: number;
}

/**
 * What a job still asks of a fleet. A closed one asks for nothing; the index of open jobs may name it a while longer.
 */
export function openWork(progress: FleetJob, slot: Fleet['slot'], now: Date): OpenWork {
  const { job, counters, part } = progress;
  return {
    jobId: job.jobId,
    openTasks: asksForNothing(job.status) ? 0 : part.openTasks,
    isFilling: isFilling(job, now),
    running: Math.round(counters.running * part.share),
    runningForSeconds: counters.completed === 0 ? secondsSince(job.startedAt, now) : null,
    secondsPerTask: secondsPerTask(progress, now),
    slotsPerTask: slotsPerTask(job.resources, slot),
    maxInstances: part.maxInstances,
    deadlineAt: job.deadline,
    budgetLeftUsd: part.budgetLeftUsd,
    troubled: isTroubled(progress, now),
  };
}

/** Should it take longer, what is there by then has its machines, and the rest gets them as it comes. */
const FILLING_SECONDS = 60;

const isFilling = ({ enqueuedAt, createdAt }: Job, now: Date): boolean =>
  enqueuedAt === null && now.getTime() - Date.parse(createdAt) < FILLING_SECONDS * 1_000;

const secondsSince = (at: string | null, now: Date): number | null =>
  at === null ? null : (now.getTime() - Date.parse(at)) / 1_000;

/** One that pauses may wait unheard for as long as it likes; of one that is cancelled nothing more is to come. */
export const asksForNothing = (status: JobStatus): boolean =>
  isClosed(status) || status === 'CANCELLING' || status === 'PAUSED';

/** A machine that had trouble with a job is not the last one, as a rule; for so long it is believed to be the job's own. */
const TROUBLE_SECONDS = 900;

/** Trouble that is fresh, with no task ended since. */
function isTroubled({ job: { problem }, counters }: JobProgress, now: Date): boolean {
  // That machines cannot be had, or do not boot, is no fault of the job's.
  if (!problem || problem.taskId === null) return false;
  if (now.getTime() - Date.parse(problem.at) > TROUBLE_SECONDS * 1_000) return false;
  return counters.completed + counters.failed <= problem.tasksEnded;
}

/**
 * A machine whose agent is not ready in time ends itself. The control plane ends only what cannot even do that; one that
 * works has reported on a task by then, should its report of readiness be lost.
 */
const REPORT_MARGIN_SECONDS = 180;
/**
 * Reports of another cloud come over its bridge. Nobody here knows how far those are read, so it may be out of order for so
 * long before a machine there counts as never ready.
 */
const BRIDGED_MARGIN_SECONDS = 1_800;

export function launchedInstance(
  fleet: Fleet,
  provider: string,
  intentId: string | null,
  machine: LaunchedInstance,
  settings: LaunchSettings,
): Instance {
  const launchedAt = Date.parse(machine.launchedAt);
  const after = (seconds: number): string => new Date(launchedAt + seconds * 1_000).toISOString();
  const isBridged = servicesOf(fleet, settings.clouds ?? {}) !== 'aws';
  const margin = isBridged ? BRIDGED_MARGIN_SECONDS : REPORT_MARGIN_SECONDS;
  return {
    instanceId: machine.instanceId,
    fleet: fleet.name,
    provider,
    state: 'BOOTING',
    stateReason: null,
    intentId,
    instanceType: machine.instanceType,
    slots: machine.slots ?? settings.slotsPerInstance,
    hourlyPriceUsd: machine.hourlyPriceUsd,
    requestedAt: machine.launchedAt,
    readyAt: null,
    endedAt: null,
    readyDeadlineAt: after(settings.readyDeadlineSeconds + margin),
    expiresAt: after(fleet.maxLifetimeHours * 3_600),
  };
}
