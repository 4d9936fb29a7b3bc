// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of CloudFormation, not of this language.
import { describe, expect, it } from 'vitest';
import { bucketNameIn } from './artifacts.ts';

describe("the bucket's name", () => {
  it('is what CloudFormation will make of the template', () => {
    const BucketName = { 'Fn::Sub': 'shoal-data-dev-${AWS::AccountId}-${AWS::Region}' };

    expect(bucketNameIn({ Resources: { DataBucket: { Properties: { BucketName } } } }, '123', 'eu-west-1')).toBe(
      'shoal-data-dev-123-eu-west-1',
    );
  });

  it.each([[{}], [{ DataBucket: {} }], [{ DataBucket: { Properties: { BucketName: 'plain' } } }]])(
    'is not guessed for %j',
    (Resources) => {
      expect(() => bucketNameIn({ Resources }, '123', 'eu-west-1')).toThrow('DataBucket');
    },
  );
});
