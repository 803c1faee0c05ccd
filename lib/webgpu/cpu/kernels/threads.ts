/*
 * How the items of a phase are dealt out. The main thread opens a phase; whoever is there takes one
 * part of its items after the other, and the main thread goes on when all that were taken are done.
 * It never waits for a thread that has taken nothing: one that sleeps, or that the system has set
 * aside, costs its share and no more.
 *
 * A thread that finds no work spins, then waits; the main thread wakes it with the next phase.
 */

/** Words that threads share, by offset, 512 bytes: what different threads write lies lines apart. */
const TICKET: usize = 0; // u64: phase number << 32 | parts << 16 | next part
const PHASE: usize = 8; // what the ticket is for comes with its line
const LAYER: usize = 12;
const ITEMS: usize = 16;
const DONE: usize = 128; // parts that helpers have done
const SLEEPERS: usize = 256; // helpers that wait
const WAKE: usize = 260; // changes when they must look again
const ENDED: usize = 264; // not 0: helpers return
const FAILED: usize = 268; // not 0: a helper trapped
const JOINED: usize = 272; // helpers that have come, and CLOSED

/** Beside the number that came: who comes now is too late. */
const CLOSED: i32 = 0x10000;

/** Looks in vain before a helper waits: some 0.2 ms, longer than others' parts and sampling take. */
const SPINS: i32 = 600000;
/** Looks in vain before the main thread lets others run: as long. */
const PATIENCE: i32 = 600000;
/** Then it waits so long, so often: after half a minute without an end a thread is gone. */
const NAP_NS: i64 = 100000;
const NAPS_MAX: i32 = 300000;
/**
 * Multiply-adds, some 20 µs, that a part is to have: each costs two messages between cores, half a
 * microsecond or more, and begins to read from memory anew. But as many parts for each thread even
 * out what threads differ in.
 */
const PART_WORK: i64 = 500000;
const PARTS_MAX: i64 = 4;
/** A phase with less is done before a helper has heard of it. */
const DEALT_WORK: i64 = 100000;

let control: usize = 0;
let threads: i32 = 1;
let opened: u64 = 0;

/** Where the shared words lie. */
export function useThreads(address: usize): void {
  control = address;
}

/** A helper's first word; false: it comes too late and must not take anything. */
export function joinThreads(): bool {
  if (!ASC_FEATURE_THREADS) return false;
  return (atomic.add<i32>(control + JOINED, 1) & CLOSED) == 0;
}

/** Lets no more helpers join. The main thread deals its phases out among all that are there now. */
export function closeThreads(): i32 {
  if (!ASC_FEATURE_THREADS) return 1;
  threads = 1 + (atomic.or<i32>(control + JOINED, CLOSED) & (CLOSED - 1));
  return threads;
}

/** Whether there is anybody to deal out to. */
@inline
export function hasHelpers(): bool {
  return ASC_FEATURE_THREADS ? threads > 1 : false;
}

/**
 * Parts into which a phase of `items` items and `work` multiply-adds is dealt out; 1: the main
 * thread computes it alone.
 */
export function partsOf(items: i32, work: i64): i32 {
  if (work < DEALT_WORK) return 1;
  const each = min(max(work / (PART_WORK * threads), 1), PARTS_MAX);
  return min(items, threads * <i32>each);
}

/** First item of part `part` of `parts`. */
@inline
export function firstItem(items: i32, part: i32, parts: i32): i32 {
  return <i32>((<u64>items * part) / parts);
}

@inline
function nextOf(ticket: u64): i32 {
  return <i32>(ticket & 0xffff);
}

@inline
function partsIn(ticket: u64): i32 {
  return <i32>((ticket >> 16) & 0xffff);
}

/**
 * Opens a phase of `parts` parts to all threads; the first is the main thread's. What the phase reads
 * has been written before.
 */
export function openPhase(phase: i32, layer: i32, items: i32, parts: i32): void {
  if (!ASC_FEATURE_THREADS) return;
  store<i32>(control + PHASE, phase);
  store<i32>(control + LAYER, layer);
  store<i32>(control + ITEMS, items);
  atomic.store<i32>(control + DONE, 0);
  opened++;
  atomic.store<u64>(control + TICKET, (opened << 32) | (<u64>parts << 16) | 1);
  if (atomic.load<i32>(control + SLEEPERS) != 0) wakeAll();
}

function wakeAll(): void {
  if (!ASC_FEATURE_THREADS) return;
  atomic.add<i32>(control + WAKE, 1);
  atomic.notify(control + WAKE, -1);
}

/** The next part that nobody has taken, or −1. Until it is done the phase's fields stand. */
export function takePart(): i32 {
  if (!ASC_FEATURE_THREADS || !hasWork()) return -1;
  const ticket = atomic.add<u64>(control + TICKET, 1);
  const part = nextOf(ticket);
  return part < partsIn(ticket) ? part : -1;
}

/** Waits until helpers have done `parts` parts. Traps where one has failed or is gone. */
@inline
export function awaitParts(parts: i32): void {
  if (!ASC_FEATURE_THREADS) return;
  for (let i = 0; i < PATIENCE; i++) {
    if (atomic.load<i32>(control + DONE) == parts) return;
  }
  napUntil(parts);
}

/** A helper was set aside in the middle of a part: whoever has its processor must run. */
function napUntil(parts: i32): void {
  if (!ASC_FEATURE_THREADS) return;
  for (let i = 0; i < NAPS_MAX; i++) {
    const done = atomic.load<i32>(control + DONE);
    if (done == parts) return;
    if (atomic.load<i32>(control + FAILED)) break;
    atomic.wait<i32>(control + DONE, done, NAP_NS);
  }
  unreachable();
}

/** Waits for an open phase with parts to take; false: the stage has ended. */
export function awaitWork(): bool {
  if (!ASC_FEATURE_THREADS) return false;
  while (true) {
    const wake = atomic.load<i32>(control + WAKE);
    for (let i = 0; i < SPINS; i++) {
      if (hasWork()) return true;
    }
    if (atomic.load<i32>(control + ENDED)) return false;
    atomic.add<i32>(control + SLEEPERS, 1);
    // Said to sleep, it looks once more: a phase opened before that woke nobody.
    if (!hasWork() && !atomic.load<i32>(control + ENDED)) {
      atomic.wait<i32>(control + WAKE, wake, -1);
    }
    atomic.sub<i32>(control + SLEEPERS, 1);
  }
}

@inline
function hasWork(): bool {
  const ticket = atomic.load<u64>(control + TICKET);
  return nextOf(ticket) < partsIn(ticket);
}

@inline
export function openedPhase(): i32 {
  return load<i32>(control + PHASE);
}

@inline
export function openedLayer(): i32 {
  return load<i32>(control + LAYER);
}

@inline
export function openedItems(): i32 {
  return load<i32>(control + ITEMS);
}

/** Parts of the open phase, as its ticket says. */
@inline
export function openedParts(): i32 {
  if (!ASC_FEATURE_THREADS) return 1;
  return partsIn(atomic.load<u64>(control + TICKET));
}

/** Says that a helper has done a part. */
@inline
export function partDone(): void {
  if (ASC_FEATURE_THREADS) atomic.add<i32>(control + DONE, 1);
}

/** Says that the helper that calls it cannot go on: the main thread stops at once. */
export function failThread(): void {
  if (ASC_FEATURE_THREADS) atomic.store<i32>(control + FAILED, 1);
}

/** Helpers return as soon as they look. */
export function endThreads(): void {
  if (!ASC_FEATURE_THREADS) return;
  atomic.store<i32>(control + ENDED, 1);
  wakeAll();
}
