import { describe, expect, it } from 'vitest';
import { networkResources, networkSchema, subnetIds } from './network.ts';

const network = (overrides: object = {}) =>
  networkSchema.safeParse({ subnetIds: '', vpcId: '', zones: '3', ...overrides });

describe('the network', () => {
  it('of named subnets is nothing but a security group in their VPC', () => {
    const { data } = network({ subnetIds: 'subnet-1, subnet-2', vpcId: 'vpc-1' });
    if (!data) throw new Error('it was refused');

    const resources = networkResources(data, 'dev');

    expect(Object.keys(resources)).toEqual(['WorkerSecurityGroup']);
    expect(resources['WorkerSecurityGroup']?.Properties['VpcId']).toBe('vpc-1');
    expect(subnetIds(data)).toBe('subnet-1,subnet-2');
  });

  it.each([{ subnetIds: 'subnet-1' }, { vpcId: 'vpc-1' }, { zones: '0' }, { zones: 'many' }])('refuses %j', (given) => {
    expect(network(given).success).toBe(false);
  });

  it('has as many zones as it is told, whose ranges do not meet', () => {
    const { data } = network({ zones: '2' });
    if (!data) throw new Error('it was refused');

    const blocks = Object.values(networkResources(data, 'dev'))
      .filter(({ Type }) => Type === 'AWS::EC2::Subnet')
      .map(({ Properties }) => Properties['CidrBlock']);

    expect(blocks).toEqual(['10.213.0.0/20', '10.213.16.0/20']);
  });
});
