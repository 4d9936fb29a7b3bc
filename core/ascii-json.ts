/**
 * JSON in ASCII only, for bodies on queues. SQS refuses some Unicode characters in a message body, and an unescaped
 * one would lose its whole batch (SQS documentation, SendMessage); every escape is still the same JSON.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: everything outside printable ASCII is what is looked for
const NOT_ASCII = /[^\x00-\x7e]/g;

/** Serialises to JSON whose every character is ASCII; UTF-16 surrogate pairs become two escapes, as JSON wants it. */
export function toAsciiJson(value: unknown): string {
  return JSON.stringify(value).replace(NOT_ASCII, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
