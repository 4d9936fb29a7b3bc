/** What a local machine takes over from the process that launches it: enough to find programs, and nothing else. */

type Environment = Readonly<Record<string, string | undefined>>;

/** PATH, HOME and LANG, each with a default. No credential and no setting of this process gets through. */
export const surroundings = (environment: Environment = process.env) => ({
  PATH: environment['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
  HOME: environment['HOME'] ?? '/',
  LANG: environment['LANG'] ?? 'C.UTF-8',
});
