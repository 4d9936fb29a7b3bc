/** How ARM says no: `error.code` and `error.message` ("Troubleshoot common Azure deployment errors"). */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
    // "Understand how Azure Resource Manager throttles requests".
    this.headers = status === 429 ? { 'retry-after': '17' } : {};
  }
}
