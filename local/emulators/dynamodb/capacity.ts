/**
 * What an item costs, by the documented rules: "DynamoDB Item sizes and formats" and "DynamoDB read and write
 * operations" of the Developer Guide. Sizes of numbers are approximate there, too.
 */
import type { AttributeValue, Item } from './dynalite.ts';

const KIB = 1024;
/** Of a list or a map, whatever it holds. */
const DOCUMENT_BYTES = 3;

/** The sum of the lengths of all attribute names and values. */
export function itemBytes(item: Item): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + valueBytes(value), 0);
}

function valueBytes(value: AttributeValue): number {
  const [type, content] = Object.entries(value)[0] ?? ['NULL', true];
  switch (type) {
    case 'S':
      return Buffer.byteLength(String(content));
    case 'N':
      return numberBytes(String(content));
    case 'B':
      return Buffer.byteLength(String(content), 'base64');
    case 'SS':
    case 'NS':
    case 'BS':
      return elements(content).reduce<number>((sum, each) => sum + valueBytes({ [type.charAt(0)]: each }), 0);
    case 'L':
      // A byte more for every element, and for every pair of a map.
      return elements(content).reduce<number>(
        (sum, each) => sum + 1 + valueBytes(each as AttributeValue),
        DOCUMENT_BYTES,
      ); // a list's elements are values
    case 'M': {
      const map = content as Item; // a map's members are values
      return DOCUMENT_BYTES + Object.keys(map).length + itemBytes(map);
    }
    default: // NULL, BOOL
      return 1;
  }
}

const elements = (content: unknown): readonly unknown[] => (Array.isArray(content) ? content : []);

/** "1 byte per two significant digits, plus 1 byte", and one for a sign; at most 21. */
function numberBytes(text: string): number {
  const digits = text
    .replace(/e.*$/i, '')
    .replace(/[-+.]/g, '')
    .replace(/^0+|0+$/g, '').length;
  return Math.min(21, Math.ceil(digits / 2) + 1 + (text.startsWith('-') ? 1 : 0));
}

const kibibytes = (bytes: number): number => Math.max(1, Math.ceil(bytes / KIB));

/** One write: the larger of the item before and after counts, in steps of 1 KB; a transaction writes twice. */
export function writeUnits(before: Item | undefined, after: Item | undefined, transactional: boolean): number {
  const bytes = Math.max(before ? itemBytes(before) : 0, after ? itemBytes(after) : 0);
  return kibibytes(bytes) * (transactional ? 2 : 1);
}

/**
 * One entry of a secondary index: written when it comes, goes or changes, and not at all when nothing that the index
 * holds has changed. An index follows its table by ordinary writes, whatever wrote the table.
 */
export function indexWriteUnits(before: Item | undefined, after: Item | undefined): number {
  if (before === undefined && after === undefined) return 0;
  if (before && after && JSON.stringify(sorted(before)) === JSON.stringify(sorted(after))) return 0;
  return writeUnits(before, after, false);
}

const sorted = (item: Item): unknown => Object.entries(item).toSorted(([one], [other]) => (one < other ? -1 : 1));
