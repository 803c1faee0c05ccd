import { GREEDY, NO_HISTORY } from '#lib/webgpu/sampling/params.ts';
import { instantMs } from '#lib/kernel/units.ts';
import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { Frame, RowsFrame } from '#lib/shard/wire/frame.ts';
import type { OwnerMessage, Prepare, StageMessage } from '#lib/shard/wire/session-messages.ts';
import { createStageCore, stepStage, type StageCore } from '#lib/shard/stage/core/core.ts';
import type { StageCoreOptions } from '#lib/shard/stage/core/core.ts';
import {
  shardKey,
  type KvOrder,
  type RunResult,
  type StageInput,
  type StageOutput,
} from '#lib/shard/stage/types.ts';

export const node = (i: number): NodeId => i.toString(16).padStart(64, '0') as NodeId;
export const session = (i: number): SessionId => i.toString(16).padStart(32, '0') as SessionId;
export const MANIFEST = 'f'.repeat(64);
export const WIDTH = 2;
export const VOCAB = 1000;
export const shardAt = (place: number): string =>
  shardKey(MANIFEST as Parameters<typeof shardKey>[0], { first: 2 * place, last: 2 * place + 1 });

/** Node holders[i] has place i; L is 4 of a prompt of 5, in chunks of 2. */
export function prepare(holders: readonly number[], change: Partial<Prepare> = {}): Prepare {
  return {
    type: 'prepare',
    session: session(1),
    epoch: 1,
    resumeAt: 4,
    promptLength: 5,
    route: holders.map((n, at) => ({
      node: node(n),
      incarnation: 1,
      range: { first: 2 * at, last: 2 * at + 1 },
      since: 1,
      path: 'direct',
    })),
    ids: [11, 12, 13, 14, 15],
    history: NO_HISTORY,
    grammar: null,
    manifest: MANIFEST,
    numerics: 'exact',
    wireDtype: 'f32',
    sampling: { ...GREEDY, seed: 1 },
    maxTokens: 30,
    eosIds: [2],
    draftsMax: 0,
    chunkRows: 2,
    ...change,
  };
}

/** One node's core with loaded shards; `all` is everything it ever put out. */
export class StageRig {
  core: StageCore;
  readonly all: StageOutput[] = [];
  now = 0;

  constructor(self: number, options: Partial<StageCoreOptions> & { pagesMax?: number } = {}) {
    this.core = createStageCore(node(self), options);
    for (let at = 0; at < 4; at += 1) this.ready(at, options.pagesMax ?? 100);
    for (let peer = 0; peer < 9; peer += 1) {
      if (peer !== self) this.step({ type: 'link-open', peer: node(peer), path: 'direct' });
    }
  }

  ready(at: number, pagesMax = 100): StageOutput[] {
    const limits = { pagePositions: 2, pagesMax, rowsMax: 12, rowWidth: WIDTH, vocab: VOCAB };
    return this.step({ type: 'shard-ready', shard: shardAt(at), ...limits });
  }

  step(input: StageInput): StageOutput[] {
    const [core, outputs] = stepStage(this.core, input, instantMs(this.now));
    this.core = core;
    this.all.push(...outputs);
    return [...outputs];
  }

  order(message: OwnerMessage): StageOutput[] {
    return this.step({ type: 'message', message });
  }

  frame(from: number, frame: Frame): StageOutput[] {
    return this.step({ type: 'frames', from: node(from), frames: [frame] });
  }

  fill(...starts: number[]): StageOutput[] {
    const { epoch } = this.session(1).prepare;
    return this.order({ type: 'fill', session: session(1), epoch, starts });
  }

  session(i: number) {
    const found = this.core.sessions.get(session(i));
    if (!found) throw new Error(`no session ${i}`);
    return found;
  }

  seat(at: number) {
    const found = this.session(1).seats.find((seat) => seat.place === at);
    if (!found) throw new Error(`no place ${at}`);
    return found;
  }

  /** Ends the run in flight; the next is planned after `turnMs`, in which the thread does other things. */
  finish(ms = 1, turnMs = 0): StageOutput[] {
    const done = this.endRun(ms);
    this.now += turnMs;
    return [...done, ...this.step({ type: 'turn' })];
  }

  /** Ends the run in flight after `ms`: hidden rows hold their position; samples are 100 + index. */
  endRun(ms = 1): StageOutput[] {
    const { running } = this.core;
    if (!running) throw new Error('nothing runs');
    const results = running.segments.map((segment): RunResult => {
      const { want, rows, firstPosition } = segment;
      const points =
        want.kind === 'sample' ? [want] : want.kind === 'sample-rows' ? want.points : [];
      if (points.length > 0)
        return { hidden: null, sampled: points.map(({ index }) => ({ id: 100 + index })) };
      if (want.kind !== 'hidden') return { hidden: null, sampled: [] };
      const hidden = Float32Array.from({ length: rows * WIDTH }, (_, i) => {
        return firstPosition + Math.floor(i / WIDTH);
      });
      return { hidden, sampled: [] };
    });
    return this.step({ type: 'run-done', run: running.run, ms, results });
  }

  /** Runs until nothing is left to run. */
  settle(): StageOutput[] {
    const out: StageOutput[] = [];
    while (this.core.running) out.push(...this.finish());
    return out;
  }
}

export function rows(place: number, change: Partial<RowsFrame> = {}): RowsFrame {
  const count = change.rows ?? 2;
  return {
    type: 'rows',
    session: session(1),
    epoch: 1,
    place,
    seq: 0,
    firstPosition: 0,
    rows: count,
    width: WIDTH,
    dtype: 'f32',
    data: new Float32Array(count * WIDTH),
    ...change,
  };
}

export const words = (out: readonly StageOutput[]): StageMessage[] =>
  out.flatMap((output) => (output.type === 'owner' ? [output.message] : []));

export const faults = (out: readonly StageOutput[]): string[] =>
  words(out).flatMap((message) => (message.type === 'fault' ? [message.why] : []));

export const reports = (out: readonly StageOutput[]): (readonly [number, number, number])[] =>
  words(out).flatMap((message) =>
    message.type === 'report' ? [[message.place, message.kvLength, message.keptFrom] as const] : [],
  );

export const frames = (out: readonly StageOutput[]): Frame[] =>
  out.flatMap((output) => (output.type === 'frame' ? [output.frame] : []));

export const runs = (out: readonly StageOutput[]) =>
  out.flatMap((output) => (output.type === 'run' ? [output] : []));

function describeKv(order: KvOrder): string {
  switch (order.op) {
    case 'share':
      return `share ${order.keys.map(tail).join()}`;
    case 'keep':
      return `keep ${order.firstPage}: ${order.keys.map(tail).join()}`;
    default:
      return `${order.op} ${order.length}`;
  }
}

/** The digest at a key's end. */
const tail = (key: string): string => key.slice(key.lastIndexOf('/') + 1);

export const kvOps = (out: readonly StageOutput[]): string[] =>
  out.flatMap((output) => (output.type === 'kv' ? [describeKv(output)] : []));
