/** Bearer tokens: whoever talks to another cloud asks for one before each request, and gets one that is still good. */

/** A token for one purpose (scope, audience), kept until shortly before it expires. @throws TransientError when none is to be had */
export type AccessToken = () => Promise<string>;

/** Emulators on this machine want none: over plain HTTP no token is ever sent. */
export const tokenFor = (url: string, token: AccessToken): AccessToken | null =>
  url.startsWith('https://') ? token : null;
