/**
 * One piece of work at a time, in the order of asking. onnxruntime-web needs one for a whole worker:
 * two overlapping calls hang it for ever.
 */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /** What `work` gives or throws, once all that was asked for before has ended. */
  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    // What fails is the caller's to handle; the next one only waits for its end.
    this.#last = result.catch(() => undefined);
    return result;
  }
}
