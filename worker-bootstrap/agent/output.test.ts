import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedOutput } from './bounded-output.ts';
import { LastLineReader, MAX_LINE_BYTES } from './last-line.ts';

/** A text in pieces, cut at any byte. */
const pieces = fc.tuple(fc.string({ unit: 'binary', maxLength: 400 }), fc.array(fc.nat(400))).map(([text, cuts]) => {
  const bytes = Buffer.from(text);
  const places = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort((a, b) => a - b);
  return { text, chunks: places.slice(1).map((end, index) => bytes.subarray(places[index], end)) };
});

describe('BoundedOutput', () => {
  it('keeps the end of a text, whole characters only, however it arrives', () => {
    fc.assert(
      fc.property(pieces, fc.integer({ min: 4, max: 100 }), ({ text, chunks }, limit) => {
        const output = new BoundedOutput(limit);
        for (const chunk of chunks) output.append(chunk);

        const tail = output.tail();
        expect(text.endsWith(tail)).toBe(true);
        expect(Buffer.byteLength(tail)).toBeLessThanOrEqual(limit);
        expect(Buffer.byteLength(tail)).toBeGreaterThanOrEqual(Math.min(limit, Buffer.byteLength(text)) - 3);
      }),
    );
  });

  it('shows the last line that says something, cut to size', () => {
    const output = new BoundedOutput(1_000);
    output.append(Buffer.from(`first\n  ${'x'.repeat(50)}\r\n\n  \n`));

    expect(output.lastLine(10)).toBe('xxxxxxxxxx…');
  });
});

describe('LastLineReader', () => {
  it('finds the last line that is not blank, however it arrives', () => {
    fc.assert(
      fc.property(pieces, ({ text, chunks }) => {
        const reader = new LastLineReader();
        for (const chunk of chunks) reader.append(chunk);

        const expected = text.split('\n').findLast((line) => /[^\t\n\v\f\r ]/.test(line)) ?? '';
        const read = reader.read();
        expect(read.kind === 'line' && read.bytes.toString()).toBe(expected);
      }),
    );
  });

  it('keeps only the beginning of an overlong line, and forgets it when another follows', () => {
    const reader = new LastLineReader();
    reader.append(Buffer.from(' {"a":'));
    for (let index = 0; index < 20; index += 1) reader.append(Buffer.alloc(MAX_LINE_BYTES / 8, 'x'));
    expect(reader.read()).toEqual({ kind: 'overlong', isJsonLike: true });

    reader.append(Buffer.from('\n1\n'));
    expect(reader.read()).toEqual({ kind: 'line', bytes: Buffer.from('1') });
  });
});
