/**
 * `GET /v1/jobs/{jobId}/audit`: a job's counters against its rows, every stale report and every lost lease.
 * Rows are read consistently, chunk by chunk, so many in one answer; the cursor carries what was counted so far.
 */
import { z } from 'zod';
import { inParallel } from '../../adapters/in-parallel.ts';
import {
  addTallies,
  differencesOf,
  evidenceIn,
  type Tallies,
  talliesOfCounters,
  talliesOfRows,
  talliesSchema,
  zeroTallies,
} from '../../core/audit.ts';
import { CHUNK_SIZE, chunksOf } from '../../core/ids.ts';
import { isClosed } from '../../core/job.ts';
import type { Route } from '../http/api-handler.ts';
import { jobIdOf } from '../http/path-parameters.ts';
import { readQuery } from '../http/query-parameters.ts';
import { progressOf } from './jobs.ts';
import type { TaskPorts } from './tasks.ts';

export const MAX_CHUNKS_READ = 10;
const CHUNKS_AT_ONCE = 4;
/** An answer must stay readable, and below Lambda's 6 MB. */
const MAX_EVIDENCE_TOLD = 500;

/** What the calls before this one found. Whoever forges one deceives nobody else. */
const progressSchema = z.object({ chunk: z.int().positive(), before: talliesSchema, rows: talliesSchema });
type AuditProgress = z.infer<typeof progressSchema>;

const cursorOf = (progress: AuditProgress): string => Buffer.from(JSON.stringify(progress)).toString('base64url');

function parseCursor(text: string): AuditProgress | undefined {
  try {
    return progressSchema.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

const cursorParameter = z
  .string()
  .max(1_000)
  .transform((text, context) => {
    const parsed = parseCursor(text);
    if (!parsed) context.addIssue({ code: 'custom', message: 'is not a cursor of ours' });
    return parsed ?? z.NEVER;
  })
  .optional();

export function auditRoutes(ports: Omit<TaskPorts, 'blobs'>): Record<string, Route> {
  return {
    'GET /v1/jobs/{jobId}/audit': async (request) => {
      const jobId = jobIdOf(request);
      const { cursor } = readQuery(request, { cursor: cursorParameter });
      const first = await progressOf(ports.jobs, jobId);
      const before = cursor?.before ?? talliesOfCounters(first.counters);
      const chunks = chunksOf(first.job.taskCount);
      const from = cursor?.chunk ?? 0;
      const looked = chunks.slice(from, from + MAX_CHUNKS_READ);
      const parts = await inParallel(looked, CHUNKS_AT_ONCE, async (chunk) => {
        const rows = await ports.tasks.listChunk(jobId, chunk, chunk * CHUNK_SIZE, CHUNK_SIZE);
        return { tallies: talliesOfRows(rows), evidence: evidenceIn(rows), rows: rows.length };
      });
      const rows = parts.map(({ tallies }) => tallies).reduce(addTallies, cursor?.rows ?? zeroTallies);
      // Read last: what moved in the meantime shows as a difference to what was read first.
      const last = await progressOf(ports.jobs, jobId);
      const next =
        from + looked.length < chunks.length ? cursorOf({ chunk: from + looked.length, before, rows }) : null;
      const body = {
        jobId,
        status: last.job.status,
        /** Reports may be on their way: counters and rows are read at different moments. */
        inFlight: !isClosed(last.job.status),
        taskCount: last.job.taskCount,
        ...verdict(before, talliesOfCounters(last.counters), rows, next === null),
        chunks: parts.map((part, at) => ({ chunk: from + at, rows: part.rows, ...part.tallies })),
        ...told(
          'staleReports',
          parts.flatMap(({ evidence }) => evidence.staleReports),
        ),
        ...told(
          'lostLeases',
          parts.flatMap(({ evidence }) => evidence.lostLeases),
        ),
        ...told(
          'impossible',
          parts.flatMap(({ evidence }) => evidence.impossible),
        ),
        cursor: next,
      };
      return {
        status: 200,
        body: `${JSON.stringify(body, withoutNoise, 2)}\n`,
        headers: { 'content-type': 'application/json' },
      };
    },
  };
}

/** For display only: twelve figures show every difference that is told, and no sum as 29.898000000000003. */
const withoutNoise = (_name: string, value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(12)) : value;

/** `consistent` is `null` while it cannot be told: not every row was counted yet, or they changed under the count. */
function verdict(before: Tallies, after: Tallies, rows: Tallies, complete: boolean) {
  const moved = differencesOf(before, after).length > 0;
  const differences = complete ? differencesOf(after, rows) : [];
  const consistent = !complete ? null : differences.length === 0 ? true : moved ? null : false;
  return { consistent, moved, counters: after, rows, differences };
}

const told = <Name extends string, Item>(name: Name, items: readonly Item[]) => ({
  [name]: items.slice(0, MAX_EVIDENCE_TOLD),
  [`${name}LeftOut`]: Math.max(0, items.length - MAX_EVIDENCE_TOLD),
});
