import type { StageOutput } from '#lib/shard/stage/types.ts';
import {
  loadOf,
  addLoads,
  predictMs,
  type StepLoad,
  type StepTimes,
} from '#lib/shard/stage/core/step-times.ts';
import { prepare, session, shardAt, StageRig, words } from './rig.ts';

/** Most rows of a run, and of a chunk: what a stage of the product has. */
const ROWS_MAX = 512;
const CHUNK_ROWS = 128;

/** One run: what its decode rows would have taken alone, and what it took with its prefill. */
export interface SeenRun {
  readonly pureMs: number;
  readonly ms: number;
  readonly decodeRows: number;
  readonly prefillRows: number;
  readonly sessions: readonly string[];
}

/** A node that holds the whole model, whose runs take what `cost` says; the owner acks at once. */
export class SoloWorld {
  readonly rig = new StageRig(1);
  readonly seen: SeenRun[] = [];
  /** How many runs each session found when it came. */
  readonly opened = new Map<string, number>();
  readonly #cost: (load: StepLoad) => number;

  constructor(cost: StepTimes | ((load: StepLoad) => number)) {
    this.#cost = typeof cost === 'function' ? cost : (load) => predictMs(cost, load);
    const limits = { pagePositions: 32, pagesMax: 10_000, rowsMax: ROWS_MAX };
    this.rig.step({ type: 'shard-ready', shard: shardAt(0), ...limits, rowWidth: 2, vocab: 1000 });
  }

  /** What the core has learned so far. */
  tellPrices(prices: StepTimes): void {
    setPrices(this.rig, 0, prices);
  }

  /** The first `past` positions are there already, where it is above 0. */
  open(i: number, promptLength: number, past = 0): void {
    const ids = Array.from({ length: promptLength }, (_, at) => at % 1000);
    const resumeAt = promptLength - 1;
    const long = { ids, promptLength, resumeAt, maxTokens: 10_000, chunkRows: CHUNK_ROWS };
    this.rig.order(prepare([1], { ...long, session: session(i) }));
    this.opened.set(session(i), this.seen.length);
    const seat = this.rig.session(i).seats[0];
    if (!seat) throw new Error('it has a place');
    seat.kvLength = Math.min(past, resumeAt);
    this.rig.order({ type: 'fill', session: session(i), epoch: 1, starts: [seat.kvLength] });
    this.#handOver(i);
  }

  end(i: number): void {
    this.rig.order({ type: 'end', session: session(i) });
  }

  /** Ends the run in flight, if there is one. */
  run(): void {
    const { running } = this.rig.core;
    if (!running) return;
    const isDecode = ({ want }: { want: { kind: string } }) => want.kind === 'sample';
    const cost = (segments: typeof running.segments): number =>
      segments.length === 0
        ? 0
        : this.#cost(
            segments.map(({ firstPosition, rows }) => loadOf(firstPosition, rows)).reduce(addLoads),
          );
    const decode = running.segments.filter(isDecode);
    const fills = running.segments.filter((segment) => !isDecode(segment));
    const ms = cost(running.segments);
    this.seen.push({
      pureMs: cost(decode),
      ms,
      decodeRows: decode.length,
      prefillRows: fills.reduce((sum, { rows }) => sum + rows, 0),
      sessions: running.segments.map((segment) => segment.session),
    });
    this.rig.now += ms;
    this.#hear(this.rig.finish(ms));
  }

  #hear(out: readonly StageOutput[]): void {
    for (const message of words(out)) {
      if (message.type === 'token')
        this.rig.order({
          ...{ type: 'ack', session: message.session, epoch: 1, accepted: message.index + 1 },
        });
      if (message.type === 'report') this.#handOver(parseInt(message.session, 16));
    }
  }

  #handOver(i: number): void {
    const { prepare: of, seats, id } = this.rig.session(i);
    const position = of.resumeAt;
    if (seats[0]?.kvLength !== position) return;
    this.rig.order({ type: 'handover', session: id, epoch: 1, position, id: 1 });
  }
}

/** The shard of a place learned that its runs cost so, and none was a surprise. */
export function setPrices(rig: StageRig, place: number, prices: StepTimes): void {
  const shard = rig.core.shards.get(shardAt(place));
  if (!shard) throw new Error('the shard is loaded');
  Object.assign(shard.times, prices);
  Object.assign(shard.aloneTimes, prices);
  shard.surprise = 0;
}

/** The rule: nobody's next token waits longer than this. */
export const longestMs = (pureMs: number): number => Math.max(1.5 * pureMs, pureMs + 40);
