/** A Dockerfile as its instructions, after "Dockerfile reference" (docs.docker.com): what a test can know of one without Docker. */

export interface Instruction {
  readonly name: string;
  /** `--from=build` → `{ from: 'build' }` */
  readonly flags: Readonly<Record<string, string>>;
  readonly text: string;
}

export interface Stage {
  readonly image: string;
  readonly name: string | null;
  readonly instructions: readonly Instruction[];
}

const INSTRUCTIONS = new Set(
  'ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR'.split(
    ' ',
  ),
);

/** @throws Error naming the line that is no instruction */
export function instructionsIn(dockerfile: string): Instruction[] {
  const lines = dockerfile.split('\n').filter((line) => !/^\s*#/.test(line));
  const joined = lines.join('\n').replaceAll(/\\\n\s*/g, ' ');
  return joined
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', flags = '', text = ''] = /^([A-Z]+)((?:\s+--[\w-]+(?:=\S+)?)*)\s+(.*)$/.exec(line) ?? [];
      if (!INSTRUCTIONS.has(name)) throw new Error(`no instruction: ${line}`);
      const pairs = [...flags.matchAll(/--([\w-]+)(?:=(\S+))?/g)].map(([, flag = '', value = '']) => [flag, value]);
      return { name, flags: Object.fromEntries(pairs), text: text.trim() };
    });
}

export function stagesOf(instructions: readonly Instruction[]): Stage[] {
  const stages: { image: string; name: string | null; instructions: Instruction[] }[] = [];
  const args = new Map<string, string>();
  for (const each of instructions) {
    if (each.name === 'FROM') {
      const [, image = '', name] = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(each.text) ?? [];
      const resolved = image.replaceAll(/\$\{(\w+)\}/g, (_, arg: string) => args.get(arg) ?? '');
      stages.push({ image: resolved, name: name ?? null, instructions: [] });
    } else if (stages.length === 0) {
      if (each.name !== 'ARG') throw new Error(`only ARG may come before FROM: ${each.name}`);
      const [arg = '', value = ''] = each.text.split('=');
      args.set(arg, value);
    } else stages.at(-1)?.instructions.push(each);
  }
  return stages;
}

/** What a COPY takes, and where it puts it. */
export function copyOf({ text }: Instruction): { readonly sources: readonly string[]; readonly target: string } {
  const words = text.split(/\s+/);
  return { sources: words.slice(0, -1), target: words.at(-1) ?? '' };
}
