/** A refusal as Google's JSON APIs word it ("Google APIs: Errors"). */
export class GoogleRefusal extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }

  get body(): unknown {
    const { status: code, reason, message } = this;
    return { error: { code, message, errors: [{ message, domain: 'global', reason }] } };
  }
}

export const invalid = (message: string): GoogleRefusal => new GoogleRefusal(400, 'invalid', message);
export const notFound = (what: string): GoogleRefusal =>
  new GoogleRefusal(404, 'notFound', `The resource '${what}' was not found`);
