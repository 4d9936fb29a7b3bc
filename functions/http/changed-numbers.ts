/** `JSON.parse` makes a double of every number: whole numbers beyond 2^53 change, larger ones become infinite, then `null`. */
import type { Fault } from '../../core/errors.ts';
import { formatPath } from '../../core/validation.ts';

/** Where it fits nowhere, no number of a text can change; it may fit in a string, too. */
const MAY_CHANGE = /(?:^|[[:,\s])-?(?:\d{16}|[\d.]+[eE]\+?\d{3})/;
const WHOLE = /^-?\d+$/;

/** Every number of a JSON text that would not come back as it was sent. Digits of a fraction beyond the 17th do not count. */
export function changedNumbers(json: string): Fault[] {
  if (!MAY_CHANGE.test(json)) return [];
  // Values come from the inside out: each becomes the list of places below it.
  const places = JSON.parse(json, (_name, value: unknown, { source }: { readonly source?: string } = {}): Place[] => {
    if (typeof value === 'number') return isChanged(value, source ?? '') ? [[]] : NOWHERE;
    if (typeof value !== 'object' || value === null) return NOWHERE;
    const isList = Array.isArray(value);
    return Object.entries(value).flatMap(([name, below]: [string, Place[]]) =>
      below.map((place) => [isList ? Number(name) : name, ...place]),
    );
  }) as Place[]; // what the function makes of the outermost value
  const message = 'is a number that would be changed (beyond 2^53): send it as text';
  return places.map((place) => ({ path: formatPath(place), message }));
}

type Place = readonly (string | number)[];
const NOWHERE: Place[] = [];

const isChanged = (value: number, source: string): boolean =>
  !Number.isFinite(value) || (WHOLE.test(source) && !Number.isSafeInteger(value) && String(value) !== source);
