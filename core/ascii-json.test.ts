import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toAsciiJson } from './ascii-json.ts';

const anyText = fc.string({ unit: 'binary' });
/** Half of a surrogate pair is a legal JavaScript string. */
const anyCodeUnits = fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units));

describe('toAsciiJson', () => {
  it('keeps every string as it is, in printable ASCII (lesson 46)', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, anyCodeUnits), (text) => {
        const json = toAsciiJson({ [text]: text });

        expect(json).toMatch(/^[\x20-\x7e]*$/);
        expect(JSON.parse(json)).toEqual({ [text]: text });
      }),
    );
  });

  it('keeps every JSON value as it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(toAsciiJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it.each([
    ['an emoji as two escapes', '🐟', '"\\ud83d\\udc1f"'],
    ['U+FFFE, which SQS refuses', '\ufffe', '"\\ufffe"'],
    ['a lone surrogate', '\ud800', '"\\ud800"'],
    ['DEL', '\x7f', '"\\u007f"'],
    ['a line separator', '\u2028', '"\\u2028"'],
  ])('writes %s', (_what, text, json) => {
    expect(toAsciiJson(text)).toBe(json);
  });
});
