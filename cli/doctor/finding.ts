/** What a look at a deployment finds: one line each, and with what is wrong the command that mends it. */
import { ShoalError } from '../../core/errors.ts';

/** A warning is something to know beforehand: it works, up to a point. */
export type FindingStatus = 'ok' | 'warned' | 'failed' | 'skipped';

export interface Finding {
  readonly what: string;
  readonly status: FindingStatus;
  readonly message: string;
  /** A command, or what to change where. */
  readonly mend?: string;
}

export const ok = (what: string, message: string): Finding => ({ what, status: 'ok', message });

export const warned = (what: string, message: string, mend: string): Finding => finding('warned', what, message, mend);

/** @param mend for what could be looked at, were something else allowed */
export const skipped = (what: string, message: string, mend?: string): Finding =>
  finding('skipped', what, message, mend);

export const failed = (what: string, message: string, mend?: string): Finding => finding('failed', what, message, mend);

const finding = (status: FindingStatus, what: string, message: string, mend: string | undefined): Finding => ({
  what,
  status,
  message,
  ...(mend === undefined ? {} : { mend }),
});

const MAX_MESSAGE = 400;

/** An error in a line. Errors of ours hold no secret; of any other only so much is shown. */
export function told(error: unknown): string {
  if (error instanceof ShoalError) return error.message;
  if (!(error instanceof Error)) return 'an unknown error';
  return `${error.name}: ${error.message}`.replaceAll(/\s+/g, ' ').slice(0, MAX_MESSAGE);
}

/**
 * What looks like a credential, whoever put it there: AWS's key ids, tokens in three parts, Google's access tokens, keys in
 * PEM, keys of Azure's connection strings. The last line of defence of everything that is printed.
 */
const CREDENTIALS = [
  /\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b/g,
  /\beyJ[\w-]+\.[\w-]+\.[\w-]*/g,
  /\bya29\.[\w.-]+/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /\b(?:SharedAccessKey|AccountKey|sig)=[\w%+/=-]+/g,
];

const HIDDEN = '(hidden)';
const hidden = (text: string): string => CREDENTIALS.reduce((rest, pattern) => rest.replaceAll(pattern, HIDDEN), text);

export const holdsCredential = (text: string): boolean => hidden(text) !== text;

export const withoutSecrets = ({ mend, ...finding }: Finding): Finding => ({
  ...finding,
  message: hidden(finding.message),
  ...(mend === undefined ? {} : { mend: hidden(mend) }),
});
