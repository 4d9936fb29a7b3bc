// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are CloudFormation's placeholders
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { StackTemplate } from './template.ts';

const stack = new StackTemplate(
  {
    Parameters: { Email: { Type: 'String', Default: 'a@b.c' }, Empty: { Type: 'String' } },
    Resources: {
      Queue: { Type: 'AWS::SQS::Queue', Properties: { QueueName: { 'Fn::Sub': 'jobs-${AWS::Region}' } } },
      Unnamed: { Type: 'AWS::SQS::Queue' },
      Table: { Type: 'AWS::DynamoDB::Table', Properties: { TableName: 'rows' } },
      Bucket: { Type: 'AWS::S3::Bucket', Properties: { BucketName: 'blobs' } },
      Machine: { Type: 'AWS::StepFunctions::StateMachine', Properties: { StateMachineName: 'job' } },
      Run: { Type: 'AWS::Lambda::Function', Properties: { FunctionName: 'run' } },
      Role: { Type: 'AWS::IAM::Role' },
    },
  },
  { queueUrlPrefix: 'http://127.0.0.1:9/000000000000/' },
);

describe('a part of the template', () => {
  it.each([
    ['a text', 'plain', 'plain'],
    ['a queue', { Ref: 'Queue' }, 'http://127.0.0.1:9/000000000000/jobs-us-east-1'],
    ['an unnamed queue', { 'Fn::GetAtt': ['Unnamed', 'QueueName'] }, 'Unnamed'],
    ['an ARN', { 'Fn::GetAtt': ['Queue', 'Arn'] }, 'arn:aws:sqs:us-east-1:000000000000:jobs-us-east-1'],
    ['an ARN in one text', { 'Fn::GetAtt': 'Table.Arn' }, 'arn:aws:dynamodb:us-east-1:000000000000:table/rows'],
    ['a table', { Ref: 'Table' }, 'rows'],
    ['a bucket', { 'Fn::Sub': '${Bucket.Arn}/jobs/*' }, 'arn:aws:s3:::blobs/jobs/*'],
    ['a state machine', { Ref: 'Machine' }, 'arn:aws:states:us-east-1:000000000000:stateMachine:job'],
    ['a function', { Ref: 'Run' }, 'run'],
    ['a role', { 'Fn::GetAtt': ['Role', 'Arn'] }, 'arn:aws:iam::000000000000:role/Role'],
    ['a parameter', { Ref: 'Email' }, 'a@b.c'],
    ['a parameter without a value', { Ref: 'Empty' }, ''],
    ['a pseudo parameter', { Ref: 'AWS::AccountId' }, '000000000000'],
    ['a literal in Fn::Sub', { 'Fn::Sub': '${!Kept} ${Run}' }, '${Kept} run'],
    ['own variables of Fn::Sub', { 'Fn::Sub': ['${a}-${Run}', { a: { Ref: 'Table' } }] }, 'rows-run'],
    ['Fn::Join', { 'Fn::Join': [':', ['a', { Ref: 'Run' }]] }, 'a:run'],
    ['Fn::Select', { 'Fn::Select': [1, { 'Fn::Split': ['/', 'a/b'] }] }, 'b'],
    ['what lies deep', { a: [{ b: { Ref: 'Run' } }] }, { a: [{ b: 'run' }] }],
  ])('is resolved: %s', (_, part, resolved) => {
    expect(stack.resolve(part)).toEqual(resolved);
  });

  it.each([
    ['a reference to nothing', { x: [{ Ref: 'Nobody' }] }, 'template.x[0]: refers to Nobody'],
    ['an unknown attribute', { 'Fn::GetAtt': ['Queue', 'Colour'] }, 'attribute Colour of Queue'],
    ['a function that is not understood', { 'Fn::ImportValue': 'x' }, 'Fn::ImportValue is not understood'],
    ['a place that is not there', { 'Fn::Select': [2, ['a']] }, 'finds nothing at 2'],
    ['a list that is none', { 'Fn::Join': [',', 'a'] }, 'takes a list'],
  ])('is refused with its place: %s', (_, part, message) => {
    expect(() => stack.resolve(part)).toThrow(message);
  });
});

describe('resources of a type', () => {
  it('come with their logical id and resolved, checked properties', () => {
    expect(stack.resourcesOf('AWS::SQS::Queue', z.object({ QueueName: z.string().optional() }))).toEqual([
      { logicalId: 'Queue', properties: { QueueName: 'jobs-us-east-1' } },
      { logicalId: 'Unnamed', properties: {} },
    ]);
  });

  it('of another shape are refused by name', () => {
    const schema = z.object({ Colour: z.string() });
    expect(() => stack.resourcesOf('AWS::DynamoDB::Table', schema)).toThrow(
      /^Table \(AWS::DynamoDB::Table\): .*\n.*Colour/,
    );
  });
});
