/** What a schema finds wrong, in words for whoever wrote the document. What a schema says of its own goes before. Pure. */
import type { z } from 'zod';

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};

const FORMATS: Readonly<Record<string, string>> = {
  url: 'must be a URL',
  datetime: 'must be a moment such as 2030-01-31T18:00:00Z',
};

const UNITS: Readonly<Record<string, readonly [one: string, several: string]>> = {
  string: ['character', 'characters'],
  array: ['entry', 'entries'],
};

/** What is wrong, to be read after the name of its place: "must be at most 500". */
export function inWords(issue: z.core.$ZodRawIssue): string {
  if (issue.input === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_value')) {
    return 'is required';
  }
  switch (issue.code) {
    case 'invalid_type': {
      const type = TYPES[issue.expected];
      return type ? `must be ${type}` : 'is not valid';
    }
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`;
    case 'too_big':
      return bounded(issue, issue.maximum, issue.inclusive ? 'at most' : 'less than');
    case 'too_small':
      return bounded(issue, issue.minimum, issue.inclusive ? 'at least' : 'more than');
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'invalid_format':
      if (issue.format === 'starts_with') return `must begin with "${issue['prefix']}"`;
      if (issue.format === 'regex') return `is not of the form ${unframed(issue.pattern)}`;
      return FORMATS[issue.format] ?? 'is not valid';
    case 'unrecognized_keys':
      return `has no field ${issue.keys.join(', ')}`;
    default:
      return 'is not valid';
  }
}

function bounded({ origin, exact }: { origin: string; exact?: boolean }, bound: number | bigint, how: string): string {
  const unit = UNITS[origin];
  if (!unit) return `must be ${how} ${bound}`;
  if (bound === 1 && how === 'at least' && !exact) return 'must not be empty';
  return `must have ${exact ? 'exactly' : how} ${bound} ${unit[bound === 1 ? 0 : 1]}`;
}

const unframed = (pattern = ''): string => pattern.replace(/^\/(.*)\/\w*$/, '$1');
