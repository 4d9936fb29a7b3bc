/** The settings of code that asks for nothing special. */
export const PLAIN_CODE = {
  env: {},
  credential: null,
  submodules: false,
  setupTimeoutSeconds: 600,
  protocol: 'process',
} as const;
