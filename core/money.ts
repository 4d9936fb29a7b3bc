/** How dollars are written for people: `$7.40`, `$0.012`, `$0.0000021`. Cents from a dollar on, two figures below. */
export function usd(dollars: number): string {
  if (dollars >= 1 || dollars <= 0) return `$${dollars.toFixed(2)}`;
  const decimals = Math.max(2, 1 - Math.floor(Math.log10(dollars)));
  return `$${dollars.toFixed(Math.min(decimals, 10))}`;
}
