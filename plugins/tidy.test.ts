// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of CloudFormation and of the framework, not of this language.
import { describe, expect, it } from 'vitest';
import { dropImpliedDependencies, dropUnusedSharedRole, referencesIn } from './tidy.ts';

describe('referencesIn', () => {
  it.each([
    ['Ref', { Ref: 'Queue' }, ['Queue']],
    ['Fn::GetAtt as a list', { 'Fn::GetAtt': ['Queue', 'Arn'] }, ['Queue']],
    ['Fn::GetAtt as a text', { 'Fn::GetAtt': 'Queue.Arn' }, ['Queue']],
    ['Fn::Sub', { 'Fn::Sub': '${Table.Arn}/index/${Name}' }, ['Table', 'Name']],
    [
      'Fn::Sub with variables',
      { 'Fn::Sub': ['${arn}:*', { arn: { 'Fn::GetAtt': ['Role', 'Arn'] } }] },
      ['arn', 'Role'],
    ],
    ['anything nested', { a: [{ b: { Ref: 'Queue' } }, { Ref: 'Table' }] }, ['Queue', 'Table']],
    ['no reference', { a: ['Queue', 1, null, true] }, []],
  ])('finds those of %s', (_, part, expected) => {
    expect([...referencesIn(part)]).toEqual(expected);
  });
});

describe('dropImpliedDependencies', () => {
  it('drops a dependency that a reference implies, and keeps the others', () => {
    const template = {
      Resources: {
        Function: { DependsOn: ['Role', 'LogGroup'], Properties: { Role: { 'Fn::GetAtt': ['Role', 'Arn'] } } },
        Mapping: { DependsOn: 'Role', Properties: { Role: { Ref: 'Role' } } },
        Untouched: { Properties: {} },
      },
    };

    dropImpliedDependencies(template);

    expect(template.Resources).toEqual({
      Function: { DependsOn: ['LogGroup'], Properties: { Role: { 'Fn::GetAtt': ['Role', 'Arn'] } } },
      Mapping: { Properties: { Role: { Ref: 'Role' } } },
      Untouched: { Properties: {} },
    });
  });
});

describe('dropUnusedSharedRole', () => {
  const role = { Properties: { RoleName: 'shared' } };

  it('drops the role that no function runs under', () => {
    const template = {
      Resources: { IamRoleLambdaExecution: role, Function: { Properties: { Role: { Ref: 'Own' } } } },
    };

    dropUnusedSharedRole(template);

    expect(Object.keys(template.Resources)).toEqual(['Function']);
  });

  it.each([
    ['refers to', { Properties: { Role: { 'Fn::GetAtt': ['IamRoleLambdaExecution', 'Arn'] } } }],
    ['depends on', { DependsOn: 'IamRoleLambdaExecution', Properties: {} }],
  ])('keeps the role that a resource %s', (_, user) => {
    const template = { Resources: { IamRoleLambdaExecution: role, User: user } };

    dropUnusedSharedRole(template);

    expect(Object.keys(template.Resources)).toContain('IamRoleLambdaExecution');
  });
});
