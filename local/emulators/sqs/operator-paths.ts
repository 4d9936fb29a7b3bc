/** What may be asked of the emulator itself, with `POST`; no queue can have these names. */

/** The queues are as after a crash of this process. */
export const RESTART_PATH = '/_shoal/restart';
/** Every long poll is answered at once: nobody who stops has to wait for one, or abort it. */
export const END_POLLS_PATH = '/_shoal/end-polls';
