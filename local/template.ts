/**
 * A small CloudFormation reader: what the packaged template says, with every reference resolved to a local name, ARN or
 * queue URL. The local run makes its resources and hosts its functions from this, so that what runs here is what deploys.
 *
 * Only what the stack needs is understood; anything else is an error that names it, never a silent `[object Object]`.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { CloudFormationResources } from '../resources/cloudformation.ts';
import {
  attributeOf,
  LOCAL_ACCOUNT,
  LOCAL_REGION,
  namePropertyOf,
  type PhysicalNames,
  refOf,
} from './physical-names.ts';

const resourceSchema = z.object({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).default({}) });
const templateSchema = z.object({
  Parameters: z.record(z.string(), z.object({ Default: z.unknown().optional() })).default({}),
  Resources: z.record(z.string(), resourceSchema),
});

/** A resource whose properties are resolved. */
export interface StackResource<Properties> {
  readonly logicalId: string;
  readonly properties: Properties;
}

/** A template that says something this reader does not understand. */
export class TemplateError extends Error {}

const PSEUDO_PARAMETERS: Readonly<Record<string, string>> = {
  'AWS::AccountId': LOCAL_ACCOUNT,
  'AWS::Region': LOCAL_REGION,
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
  'AWS::StackName': 'shoal-local',
};

/**
 * The packaged template of the stack.
 * @example
 * const stack = await readStackTemplate(path, { queueUrlPrefix: 'http://127.0.0.1:4102/000000000000/' });
 * stack.resourcesOf('AWS::SQS::Queue', z.object({ QueueName: z.string() }));
 */
export class StackTemplate {
  readonly #document: z.infer<typeof templateSchema>;
  readonly #names: PhysicalNames;

  /** @param document the parsed JSON of a CloudFormation template */
  constructor(document: unknown, names: PhysicalNames) {
    this.#document = templateSchema.parse(document);
    this.#names = names;
  }

  /**
   * All resources of one type, their properties resolved and checked.
   * @throws TemplateError for a reference to nothing, or for properties of another shape
   */
  resourcesOf<Schema extends z.ZodType>(type: string, schema: Schema): StackResource<z.infer<Schema>>[] {
    return Object.entries(this.#document.Resources)
      .filter(([, resource]) => resource.Type === type)
      .map(([logicalId, resource]) => {
        const parsed = schema.safeParse(this.resolve(resource.Properties, logicalId));
        if (parsed.success) return { logicalId, properties: parsed.data };
        throw new TemplateError(`${logicalId} (${type}): ${z.prettifyError(parsed.error)}`);
      });
  }

  /**
   * Replaces every intrinsic function in a part of the template.
   * @param place named in errors
   */
  resolve(part: unknown, place = 'template'): unknown {
    if (Array.isArray(part)) return part.map((each, index) => this.resolve(each, `${place}[${index}]`));
    if (part === null || typeof part !== 'object') return part;
    const entries = Object.entries(part);
    const [only] = entries;
    if (entries.length === 1 && only && (only[0] === 'Ref' || only[0].startsWith('Fn::'))) {
      return this.#call(only[0], only[1], place);
    }
    return Object.fromEntries(entries.map(([key, value]) => [key, this.resolve(value, `${place}.${key}`)]));
  }

  #call(name: string, argument: unknown, place: string): unknown {
    switch (name) {
      case 'Ref':
        return this.#ref(String(argument), place);
      case 'Fn::GetAtt':
        return this.#getAtt(argument, place);
      case 'Fn::Sub':
        return this.#sub(argument, place);
      case 'Fn::Join': {
        const [separator, parts] = this.#pair(argument, name, place);
        return this.#list(parts, name, place).join(String(separator));
      }
      case 'Fn::Split': {
        const [separator, text] = this.#pair(argument, name, place);
        return String(text).split(String(separator));
      }
      case 'Fn::Select': {
        const [index, parts] = this.#pair(argument, name, place);
        const picked = this.#list(parts, name, place)[Number(index)];
        if (picked === undefined) throw new TemplateError(`${place}: Fn::Select finds nothing at ${String(index)}`);
        return picked;
      }
      default:
        throw new TemplateError(`${place}: ${name} is not understood by the local run`);
    }
  }

  #ref(name: string, place: string): unknown {
    const pseudo = PSEUDO_PARAMETERS[name];
    if (pseudo !== undefined) return pseudo;
    const parameter = this.#document.Parameters[name];
    if (parameter) return parameter.Default ?? '';
    const resource = this.#resource(name, place);
    return refOf(resource.Type, name, this.#physicalName(name, resource, place), this.#names);
  }

  #getAtt(argument: unknown, place: string): string {
    const path = typeof argument === 'string' ? argument.split('.') : z.array(z.string()).parse(argument);
    const [logicalId = '', ...rest] = path;
    const resource = this.#resource(logicalId, place);
    const attribute = rest.join('.');
    const value = attributeOf(resource.Type, attribute, this.#physicalName(logicalId, resource, place), this.#names);
    if (value === undefined) {
      throw new TemplateError(`${place}: attribute ${attribute} of ${logicalId} (${resource.Type}) has no local value`);
    }
    return value;
  }

  #sub(argument: unknown, place: string): string {
    const [text, variables] = Array.isArray(argument) ? this.#pair(argument, 'Fn::Sub', place) : [argument, {}];
    const given = z.record(z.string(), z.unknown()).parse(variables);
    return String(text).replace(/\$\{([^}]+)\}/g, (_, inner: string) => {
      const name = inner.trim();
      // `${!Literal}` is how a template writes `${Literal}` itself.
      if (name.startsWith('!')) return `\${${name.slice(1)}}`;
      if (name in given) return String(given[name]);
      return String(name.includes('.') ? this.#getAtt(name, place) : this.#ref(name, place));
    });
  }

  #pair(argument: unknown, name: string, place: string): [unknown, unknown] {
    if (!Array.isArray(argument) || argument.length !== 2)
      throw new TemplateError(`${place}: ${name} takes two values`);
    return [this.resolve(argument[0], place), this.resolve(argument[1], place)];
  }

  #list(value: unknown, name: string, place: string): readonly unknown[] {
    if (Array.isArray(value)) return value;
    throw new TemplateError(`${place}: ${name} takes a list`);
  }

  #resource(logicalId: string, place: string): z.infer<typeof resourceSchema> {
    const resource = this.#document.Resources[logicalId];
    if (resource) return resource;
    throw new TemplateError(`${place}: refers to ${logicalId || 'nothing'}, which the template does not have`);
  }

  #physicalName(logicalId: string, resource: z.infer<typeof resourceSchema>, place: string): string {
    const property = namePropertyOf(resource.Type);
    const name = property === undefined ? undefined : resource.Properties[property];
    return name === undefined ? logicalId : String(this.resolve(name, place));
  }
}

/** Reads the template that packaging wrote. @param further resources of this run alone */
export async function readStackTemplate(
  path: string,
  names: PhysicalNames,
  further: CloudFormationResources = {},
): Promise<StackTemplate> {
  const document: unknown = JSON.parse(await readFile(path, 'utf8'));
  const { Resources, ...rest } = templateSchema.parse(document);
  return new StackTemplate({ ...rest, Resources: { ...Resources, ...further } }, names);
}
