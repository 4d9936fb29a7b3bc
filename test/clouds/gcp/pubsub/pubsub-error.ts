/**
 * The errors of Pub/Sub: one code, two transports.
 * @see https://cloud.google.com/pubsub/docs/reference/error-codes
 */

/** Number on gRPC and status on HTTP. */
export const CODES = {
  INVALID_ARGUMENT: { grpc: 3, http: 400 },
  NOT_FOUND: { grpc: 5, http: 404 },
  ALREADY_EXISTS: { grpc: 6, http: 409 },
  PERMISSION_DENIED: { grpc: 7, http: 403 },
  RESOURCE_EXHAUSTED: { grpc: 8, http: 429 },
  FAILED_PRECONDITION: { grpc: 9, http: 400 },
  UNIMPLEMENTED: { grpc: 12, http: 501 },
  INTERNAL: { grpc: 13, http: 500 },
  UNAVAILABLE: { grpc: 14, http: 503 },
  UNAUTHENTICATED: { grpc: 16, http: 401 },
} as const;
export type Code = keyof typeof CODES;

export class PubSubError extends Error {
  readonly status: Code;

  constructor(status: Code, message: string) {
    super(message);
    this.name = 'PubSubError';
    this.status = status;
  }
}

export const notFound = (name: string): PubSubError =>
  new PubSubError('NOT_FOUND', `Resource not found (resource=${name.split('/').at(-1)}).`);

export const codeOf = (http: number): Code => {
  const found = Object.entries(CODES).find(([, code]) => code.http === http);
  // The type of the keys, which `Object.entries` forgets.
  return (found?.[0] as Code | undefined) ?? 'INTERNAL';
};
