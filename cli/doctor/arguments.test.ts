import { describe, expect, it } from 'vitest';
import { HELP, readArguments } from './arguments.ts';

describe('the region that the doctor is told', () => {
  it.each(['us-east-1', 'ap-southeast-2', 'us-gov-west-1', 'eusc-de-east-1'])('may be %s', (region) => {
    expect(readArguments(['--region', region])).toMatchObject({ region });
  });

  it.each(['mars-1', 'us-east-1a', 'eu west 1', 'EU-WEST-1', ''])('is no region of AWS: "%s"', (region) => {
    expect(() => readArguments(['--region', region])).toThrow('--region must be a region of AWS');
  });
});

describe('what the doctor is told', () => {
  it('has to make sense', () => {
    expect(() => readArguments(['--stage', 'A b'])).toThrow('--stage must be the name of a stage');
    expect(() => readArguments(['--timeout', '0'])).toThrow('--timeout must be a number of seconds');
    expect(() => readArguments(['--frobnicate'])).toThrow('--frobnicate');
  });

  it('may be a call for help', () => {
    expect(readArguments(['-h'])).toBe('help');
    expect(HELP).toContain('Example:');
  });
});
