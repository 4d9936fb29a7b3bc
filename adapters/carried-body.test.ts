import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { carriedBody, MAX_CARRIED_BYTES } from './carried-body.ts';

const carried = (data: string | Uint8Array): string => carriedBody(Buffer.from(data), 'bridge-gcp');
/** "SendMessage": the characters that SQS takes. */
const TAKEN = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd]*$/;

describe('a message that is carried to SQS', () => {
  it('is the same, byte by byte, when it is plain text: an agent escapes what it sends', () => {
    const body = '{"v":1,"source":"m","events":[{"reason":"\\u00fc \\ud83d\\ude00"}]}';

    expect(carried(body)).toBe(body);
    expect(carried('no JSON at all')).toBe('no JSON at all');
  });

  it('means the same when it is JSON with any characters', () => {
    const character = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('\u0000', '\ufffe', '\ud800', '\u001b'),
    );
    fc.assert(
      fc.property(fc.array(character), (texts) => {
        const body = carried(JSON.stringify({ texts }));
        expect(body).toMatch(TAKEN);
        expect(JSON.parse(body)).toEqual({ texts });
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ['empty', ''],
    ['not UTF-8', Uint8Array.of(0xff, 0xfe, 0x00)],
    ['no JSON, with a character that SQS refuses', 'x\u0000y'],
    ['larger than SQS takes', 'x'.repeat(MAX_CARRIED_BYTES + 1)],
    ['JSON that is larger than SQS takes once it is escaped', JSON.stringify('ü'.repeat(180_000))],
  ])('is evidence of itself, with the reason, when it is %s', (_what, data) => {
    const body = carried(data);

    expect(body.length).toBeLessThan(MAX_CARRIED_BYTES);
    const { reason, source, base64 } = JSON.parse(body);
    expect(reason).toContain('could not be carried as it was');
    expect(source).toBe('bridge-gcp');
    expect(Buffer.from(data).toString('base64').startsWith(base64)).toBe(true);
  });

  it('never is what SQS would refuse, whatever it was', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (data) => {
        const body = carried(data);
        expect(body).toMatch(TAKEN);
        expect(body).not.toBe('');
      }),
      { numRuns: 300 },
    );
  });
});
