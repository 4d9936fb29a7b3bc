import type { JobSubmissionDocument } from '../../core/job-submission.ts';

/** A small valid submission as a user may write it; every override replaces one top-level field. */
export const submissionFactory = (overrides: Partial<JobSubmissionDocument> = {}): JobSubmissionDocument => ({
  name: 'word count',
  code: { repository: 'https://github.com/acme/word-count', ref: 'main', run: ['node', 'count.js'] },
  tasks: [{ key: 'a', input: { text: 'to be or not to be' } }],
  ...overrides,
});
