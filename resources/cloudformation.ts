/** The little of CloudFormation's shape that generated resources need. */

export interface CloudFormationResource {
  readonly Type: string;
  readonly DependsOn?: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

/** By logical id. */
export type CloudFormationResources = Readonly<Record<string, CloudFormationResource>>;
