import type { DeadLetterChannel } from '../../core/ports.ts';

type DeadLetter = Parameters<DeadLetterChannel['put']>[0][number];

export class InMemoryDeadLetterChannel implements DeadLetterChannel {
  readonly letters: DeadLetter[] = [];

  async put(letters: readonly DeadLetter[]): Promise<void> {
    this.letters.push(...structuredClone(letters));
  }
}
