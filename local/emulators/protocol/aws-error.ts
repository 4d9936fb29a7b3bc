/** An answer of the AWS API that is an error: what the SDK turns into a named exception on the other side. */
export class AwsError extends Error {
  /** What SDKs match on: the exception's name, without a namespace. */
  readonly code: string;
  readonly statusCode: number;
  /** Further members of the error's body, such as `CancellationReasons`. */
  readonly members: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    options: { statusCode?: number; members?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'AwsError';
    this.code = code;
    this.statusCode = options.statusCode ?? 400;
    this.members = options.members ?? {};
  }
}
