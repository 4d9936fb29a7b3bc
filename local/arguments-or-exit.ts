/**
 * What a command is told; or its end: with 0 and the help where that is asked for, with 2 for a wrong option and what it
 * should have been, not a stack trace.
 * @param read throws an Error in words for people
 */
export async function argumentsOrExit<Told>(
  help: string,
  read: () => Told | 'help' | Promise<Told | 'help'>,
): Promise<Told> {
  try {
    const told = await read();
    if (told !== 'help') return told;
    console.log(help);
    process.exit(0);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    process.exit(2);
  }
}
