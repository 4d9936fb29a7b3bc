/** The functions of the stack, as the template declares them: what to run, with which limits and which environment. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { LOCAL_ACCOUNT, LOCAL_REGION } from '../physical-names.ts';
import type { StackTemplate } from '../template.ts';

export interface FunctionSpec {
  /** As in serverless.yml: `status-consumer`. */
  readonly shortName: string;
  /** As deployed: `shoal-dev-status-consumer`. */
  readonly name: string;
  readonly arn: string;
  /** Where its package is unpacked. */
  readonly packageDirectory: string;
  readonly handlerFile: string;
  readonly handlerExport: string;
  readonly timeoutSeconds: number;
  readonly memoryMiB: number;
  readonly reservedConcurrency: number | undefined;
  /** How often a failed asynchronous invocation is tried again, and for how long. */
  readonly asyncRetries: number;
  readonly asyncMaxAgeSeconds: number;
  readonly environment: Readonly<Record<string, string>>;
}

const propertiesSchema = z.object({
  FunctionName: z.string(),
  Handler: z.string(),
  Code: z.object({ S3Key: z.string() }),
  Timeout: z.number().default(3),
  MemorySize: z.number().default(128),
  ReservedConcurrentExecutions: z.number().optional(),
  Environment: z.object({ Variables: z.record(z.string(), z.coerce.string()).default({}) }).default({ Variables: {} }),
});

/** With Lambda's own defaults. */
const asyncSchema = z.object({
  FunctionName: z.string(),
  MaximumRetryAttempts: z.number().default(2),
  MaximumEventAgeInSeconds: z.number().default(21_600),
});

/** `functions/submit/handler.handler` → the file and its export. @throws Error when the bundle has no such file */
export function locateHandler(directory: string, handler: string): { file: string; exportName: string } {
  const dot = handler.lastIndexOf('.');
  const path = join(directory, handler.slice(0, dot));
  const file = ['.mjs', '.js', '.cjs'].map((extension) => path + extension).find((each) => existsSync(each));
  if (!file) throw new Error(`the package of ${handler} has no ${path}.mjs`);
  return { file, exportName: handler.slice(dot + 1) };
}

/**
 * Reads the functions of a stack.
 * @param functionsDirectory where each package is unpacked, a folder a function, named like its zip
 */
export function functionSpecsOf(stack: StackTemplate, functionsDirectory: string): FunctionSpec[] {
  const configured = stack.resourcesOf('AWS::Lambda::EventInvokeConfig', asyncSchema).map((each) => each.properties);
  return stack.resourcesOf('AWS::Lambda::Function', propertiesSchema).map(({ properties }) => {
    const shortName = properties.Code.S3Key.replace(/^.*\//, '').replace(/\.zip$/, '');
    const { FunctionName } = properties;
    const asynchronous =
      configured.find((each) => each.FunctionName === FunctionName) ?? asyncSchema.parse({ FunctionName });
    const packageDirectory = join(functionsDirectory, shortName);
    const handler = locateHandler(packageDirectory, properties.Handler);
    return {
      shortName,
      name: properties.FunctionName,
      arn: `arn:aws:lambda:${LOCAL_REGION}:${LOCAL_ACCOUNT}:function:${properties.FunctionName}`,
      packageDirectory,
      handlerFile: handler.file,
      handlerExport: handler.exportName,
      timeoutSeconds: properties.Timeout,
      memoryMiB: properties.MemorySize,
      reservedConcurrency: properties.ReservedConcurrentExecutions,
      asyncRetries: asynchronous.MaximumRetryAttempts,
      asyncMaxAgeSeconds: asynchronous.MaximumEventAgeInSeconds,
      environment: properties.Environment.Variables,
    };
  });
}
