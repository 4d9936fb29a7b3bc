/** What `Ref` and `Fn::GetAtt` give for each type of resource when it stands on this machine. */

export const LOCAL_ACCOUNT = '000000000000';
export const LOCAL_REGION = 'us-east-1';
export const LOCAL_STAGE = 'dev';

/** What cannot be known from the template alone. */
export interface PhysicalNames {
  /** `http://127.0.0.1:4102/000000000000/`: what comes before a queue's name in its URL. */
  readonly queueUrlPrefix: string;
}

interface Kind {
  /** The property that names the resource; without one it is named by its logical id. */
  readonly name?: string;
  readonly arn?: (name: string) => string;
  /** What `Ref` gives; the name unless said otherwise. */
  readonly ref?: 'arn' | 'url' | 'logical-id';
  /** `Fn::GetAtt` beyond `Arn`. */
  readonly attributes?: (name: string, names: PhysicalNames) => Readonly<Record<string, string>>;
}

const arn = (service: string, prefix = '') => {
  return (name: string): string => `arn:aws:${service}:${LOCAL_REGION}:${LOCAL_ACCOUNT}:${prefix}${name}`;
};
const globalArn = (service: string, account: string, prefix = '') => {
  return (name: string): string => `arn:aws:${service}::${account}:${prefix}${name}`;
};

const KINDS: Readonly<Record<string, Kind>> = {
  'AWS::SQS::Queue': {
    name: 'QueueName',
    arn: arn('sqs'),
    ref: 'url',
    attributes: (name, names) => ({ QueueName: name, QueueUrl: `${names.queueUrlPrefix}${name}` }),
  },
  'AWS::DynamoDB::Table': { name: 'TableName', arn: arn('dynamodb', 'table/') },
  'AWS::S3::Bucket': {
    name: 'BucketName',
    arn: globalArn('s3', ''),
    attributes: (name) => ({ DomainName: `${name}.s3.amazonaws.com` }),
  },
  'AWS::Lambda::Function': { name: 'FunctionName', arn: arn('lambda', 'function:') },
  'AWS::StepFunctions::StateMachine': {
    name: 'StateMachineName',
    arn: arn('states', 'stateMachine:'),
    ref: 'arn',
    attributes: (name) => ({ Name: name }),
  },
  'AWS::IAM::Role': { name: 'RoleName', arn: globalArn('iam', LOCAL_ACCOUNT, 'role/') },
  'AWS::IAM::InstanceProfile': {
    name: 'InstanceProfileName',
    arn: globalArn('iam', LOCAL_ACCOUNT, 'instance-profile/'),
  },
  'AWS::Logs::LogGroup': { name: 'LogGroupName', arn: arn('logs', 'log-group:') },
  'AWS::SNS::Topic': { name: 'TopicName', arn: arn('sns'), ref: 'arn', attributes: (name) => ({ TopicName: name }) },
  'AWS::Events::Rule': { name: 'Name', arn: arn('events', 'rule/') },
  // Their ids are made by the service: the logical id stands for them, so that a route finds its integration.
  'AWS::ApiGatewayV2::Api': { ref: 'logical-id' },
  'AWS::ApiGatewayV2::Integration': { ref: 'logical-id' },
};

/** The property that names resources of this type, if they can be named. */
export const namePropertyOf = (type: string): string | undefined => KINDS[type]?.name;

/** What `Ref` gives. A type that is not known has no ARN or URL here: its name, as for most of CloudFormation. */
export function refOf(type: string, logicalId: string, name: string, names: PhysicalNames): string {
  const kind = KINDS[type];
  switch (kind?.ref) {
    case 'arn':
      return kind.arn?.(name) ?? name;
    case 'url':
      return kind.attributes?.(name, names)['QueueUrl'] ?? name;
    case 'logical-id':
      return logicalId;
    case undefined:
      return name;
  }
}

/** What `Fn::GetAtt` gives; `undefined` if this attribute has no meaning on this machine. */
export function attributeOf(type: string, attribute: string, name: string, names: PhysicalNames): string | undefined {
  const kind = KINDS[type];
  if (attribute === 'Arn') return kind?.arn?.(name);
  return kind?.attributes?.(name, names)[attribute];
}
