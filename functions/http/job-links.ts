/** Where a job and what belongs to it are asked for: the answer to a submission and the job itself tell the same. */
export type JobLinks = Readonly<Record<'self' | 'tasks' | 'results' | 'failures' | 'audit' | 'retry', string>>;

export function jobLinks(jobId: string): JobLinks {
  const self = `/v1/jobs/${jobId}`;
  return {
    self,
    tasks: `${self}/tasks`,
    results: `${self}/results`,
    failures: `${self}/failures`,
    audit: `${self}/audit`,
    retry: `${self}/retry`,
  };
}
