import type { FaultError } from '#lib/kernel/errors.ts';
import type { AnswerRecord, Ending } from './record.ts';

/**
 * The choices of one answer (`n`), each with a session and a record of its own. The answer has
 * finished when all have, and fails with the first that fails: the others are stopped then.
 */
export class AnswerChoices {
  /** By index; most answers have one. */
  readonly records: readonly AnswerRecord[];
  #failed: Ending | null = null;

  constructor(records: readonly AnswerRecord[]) {
    this.records = records;
    for (const record of records) record.watch(() => this.#look(record));
  }

  /** Of a finished answer: how its first choice ended. */
  get ending(): Ending | null {
    if (this.#failed) return this.#failed;
    return this.records.every(({ ending }) => ending) ? (this.records[0]?.ending ?? null) : null;
  }

  /** Tokens of all choices so far. */
  get tokens(): number {
    return this.records.reduce((sum, { pieces }) => sum + pieces.length, 0);
  }

  /** Session of the first choice that has one. */
  get session(): string | null {
    return this.records.find(({ session }) => session !== null)?.session ?? null;
  }

  /** Place in the queue of the first choice that waits, else `null`. */
  get queuePosition(): number | null {
    return this.records.find((each) => each.queuePosition !== null)?.queuePosition ?? null;
  }

  /** Stop, hang-up: the nodes are free within a second (S10). Idempotent. */
  cancel(): void {
    for (const record of this.records) record.cancel();
  }

  /** The gateway gives the answer up. */
  fail(fault: FaultError): void {
    for (const record of this.records) record.fail(fault);
  }

  /** Calls `listener` after every change of any choice; returns what ends that. */
  watch(listener: () => void): () => void {
    const ends = this.records.map((record) => record.watch(listener));
    return () => ends.forEach((end) => end());
  }

  #look({ ending }: AnswerRecord): void {
    if (this.#failed || ending?.kind !== 'failed') return;
    this.#failed = ending;
    this.cancel();
  }
}
