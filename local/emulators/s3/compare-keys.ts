/**
 * The order in which S3 lists keys: by UTF-8 bytes, which is by code point. JavaScript's own order differs where a
 * surrogate pair (beyond the basic plane) meets a code unit above the surrogates.
 */
export function compareKeys(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let index = 0; index < shared; index += 1) {
    const difference = rank(a.charCodeAt(index)) - rank(b.charCodeAt(index));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function rank(codeUnit: number): number {
  if (codeUnit < 0xd800) return codeUnit;
  return codeUnit > 0xdfff ? codeUnit - 0x800 : codeUnit + 0x2000;
}
