/** For text of others, whose shape a schema then looks at. @returns `undefined` for what is no JSON */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
