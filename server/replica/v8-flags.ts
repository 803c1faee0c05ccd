/**
 * What V8 is told in a process of replicas, before its entry; `npm run replica` in package.json says the same.
 *
 * Its collector works in the one thread: four replicas share a machine with much else, and what its helpers
 * do beside it costs more processor than it saves. And it does not collect in idle moments what it would
 * collect anyway when there is something to do: that is half of what an idle replica takes.
 */
export const REPLICA_V8_FLAGS: readonly string[] = ['--single-threaded-gc', '--no-memory-reducer'];
