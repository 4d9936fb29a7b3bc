/** Just enough XML for S3: documents of nested elements out, the keys of a DeleteObjects request in. */

export type XmlValue = string | number | boolean | undefined | XmlElement | readonly XmlElement[];
export interface XmlElement {
  readonly [name: string]: XmlValue;
}

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** One document. An array becomes one element for each member; `undefined` becomes nothing. */
export function formatXml(root: string, content: XmlElement): string {
  const attributes = root === 'Error' ? '' : ` xmlns="${namespace}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attributes}>${formatChildren(content)}</${root}>`;
}

function formatChildren(element: XmlElement): string {
  return Object.entries(element)
    .map(([name, value]) => formatValue(name, value))
    .join('');
}

function formatValue(name: string, value: XmlValue): string {
  if (value === undefined) return '';
  if (isList(value)) return value.map((member) => formatValue(name, member)).join('');
  const text = typeof value === 'object' ? formatChildren(value) : escapeXml(String(value));
  return `<${name}>${text}</${name}>`;
}

function isList(value: XmlValue): value is readonly XmlElement[] {
  return Array.isArray(value);
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const unescapes: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function escapeXml(text: string): string {
  // Control characters are legal in keys and illegal in XML text, except as references.
  return text
    .replace(/[&<>"]/g, (character) => escapes[character] ?? character)
    .replace(/\p{Cc}/gu, (character) => `&#x${character.charCodeAt(0).toString(16)};`);
}

/** The text of every element of that name, in order. */
export function readElements(xml: string, name: string): string[] {
  const matches = xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'));
  return [...matches].map((match) => unescapeXml(match[1] ?? ''));
}

function unescapeXml(text: string): string {
  return text.replace(/&(#x?)?(\w+);/g, (entity, numeric: string | undefined, name: string) => {
    if (numeric === undefined) return unescapes[name] ?? entity;
    return String.fromCodePoint(Number.parseInt(name, numeric === '#x' ? 16 : 10));
  });
}
