/** The one function that turns an error into HTTP: RFC 9457 problem documents. */
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { ConflictError, type Fault, NotFoundError, TransientError, ValidationError } from '../../core/errors.ts';

/** An error that HTTP itself has a status for. */
export class HttpError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
    this.headers = headers;
  }
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

const RETRY_AFTER_SECONDS = 10;

/** Lambda answers with 6 MB at most, and a small body may have more faults, and longer names, than fit into that. */
const MAX_FAULTS_TOLD = 1_000;
const MAX_TEXT = 300;

function problem(
  status: number,
  detail: string,
  errors: readonly Fault[] = [],
  headers: Readonly<Record<string, string>> = {},
): APIGatewayProxyStructuredResultV2 {
  const body = { type: 'about:blank', title: TITLES[status] ?? 'Error', status, detail };
  return {
    statusCode: status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify(errors.length > 0 ? { ...body, errors } : body),
  };
}

function invalid({ message, faults }: ValidationError): APIGatewayProxyStructuredResultV2 {
  const told = faults
    .slice(0, MAX_FAULTS_TOLD)
    .map((fault) => ({ path: shortened(fault.path), message: shortened(fault.message) }));
  const more = faults.length > told.length ? `; the first ${told.length} are told` : '';
  return problem(422, message + more, told);
}

const shortened = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text);

/** What a caller is told of an error. Whatever is not meant for callers says nothing of itself. */
export function toProblem(error: unknown): APIGatewayProxyStructuredResultV2 {
  if (error instanceof HttpError) return problem(error.status, error.message, [], error.headers);
  if (error instanceof ValidationError) return invalid(error);
  if (error instanceof NotFoundError) return problem(404, error.message);
  if (error instanceof ConflictError) return problem(409, error.message);
  if (error instanceof TransientError) {
    return problem(503, `${error.message}; try again`, [], { 'retry-after': String(RETRY_AFTER_SECONDS) });
  }
  return problem(500, 'something went wrong on our side');
}
