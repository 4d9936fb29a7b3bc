/** What differs between clouds in the first script of a machine (user-data.ts). Pieces of a shell script. */
export interface Platform {
  /** What the cloud takes of a script, or less: it is sent with every launch. */
  readonly maxBytes: number;
  /** Functions for the other pieces, and SHOAL_INSTANCE_ID where nobody has set it. */
  readonly identify: string;
  /** Sends `$body`, one status message, to `$SHOAL_STATUS_QUEUE_URL`. */
  readonly report: string;
  /** Installs what the image lacks, or calls `fail`. */
  readonly install: string;
  /** An arm of a `case` on `$url`, which fetches what lies in the bucket into `$1`. */
  readonly fetch: string;
  /** Gives the machine back, where switching it off does not end what it costs. */
  readonly leave?: string;
}

/** Pieces are written with `\${…}`, which hides the shell's braces from this language. */
export const shell = (script: string): string => script.replaceAll('\\$', '$');
