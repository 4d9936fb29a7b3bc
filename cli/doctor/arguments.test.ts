import { describe, expect, it } from 'vitest';
import { readArguments } from './arguments.ts';

describe('the region that the doctor is told', () => {
  it.each(['us-east-1', 'ap-southeast-2', 'us-gov-west-1', 'eusc-de-east-1'])('may be %s', (region) => {
    expect(readArguments(['--region', region]).region).toBe(region);
  });

  it.each(['mars-1', 'us-east-1a', 'eu west 1', 'EU-WEST-1', ''])('is no region of AWS: "%s"', (region) => {
    expect(() => readArguments(['--region', region])).toThrow('--region must be a region of AWS');
  });
});
