/** Git's packet lines: four hex digits of length, then that many bytes (gitprotocol-common). */

export const FLUSH = '0000';
export const DELIMITER = '0001';

/** One data packet. */
export const packet = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;

/** The data packets of an answer, up to its flush. @throws RangeError when it is no sequence of packets */
export function readPackets(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const header = bytes.toString('latin1', at, at + 4);
    if (!/^[0-9a-f]{4}$/.test(header)) throw new RangeError('not a git answer');
    const length = Number.parseInt(header, 16);
    if (header === FLUSH) return lines;
    if (length < 4) {
      at += 4;
      continue;
    }
    lines.push(bytes.toString('utf8', at + 4, at + length).replace(/\n$/, ''));
    at += length;
  }
  return lines;
}
