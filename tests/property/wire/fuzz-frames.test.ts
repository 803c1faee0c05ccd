import { describe, expect, it } from 'vitest';
import { seededRandom } from '#lib/kernel/random.ts';
import { viewStage } from '#lib/shard/stage/core/core.ts';
import { STAGE } from '#lib/shard/stage/core/limits.ts';
import type { Frame, RowsFrame } from '#lib/shard/wire/frame.ts';
import { decodeFrame, encodeFrame } from '#lib/shard/wire/frame-codec.ts';
import { FuzzRing, STRANGER, type RingNode } from '#tests/support/bad-peer/fuzz-ring.ts';
import { mutate } from '#tests/support/bad-peer/mutate.ts';

/** A million frames, mutated from those of running answers, into decoder and cores. */
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 32);
const MUTANTS = 500_000;
/** Of one answer: few let it come far, many meet every state of a beginning. */
const MUTANTS_A_FRAME = [2, 20, 80] as const;

class Fuzz {
  readonly random = seededRandom(SEED);
  readonly ring = new FuzzRing(3);
  readonly refused = new Map<string, number>();
  readonly recent: Uint8Array[] = [];
  mutants = 0;
  decoded = 0;
  /** Mutants that the core took as the next of their hop. */
  taken = 0;
  /** Right in all but their number of rows: only the budget of their place refuses them. */
  overBudget = 0;
  answers = 0;
  finished = 0;
  #perFrame = 0;

  /** `from`: whose link brings the mutants of an honest frame. */
  constructor(from: 'stranger' | 'member') {
    this.ring.onFrame = (frame, sender, to) => {
      this.#remember(encodeFrame(frame));
      for (let i = 0; i < this.#perFrame; i += 1) {
        const peer = from === 'stranger' ? STRANGER : sender;
        this.#send(mutate(this.random.pick(this.recent), this.random), to, peer);
      }
    };
  }

  /** One answer after the other until there were enough mutants. */
  run(check: (answer: ReturnType<FuzzRing['answer']>) => void): void {
    while (this.mutants < MUTANTS) {
      this.#perFrame = this.random.pick(MUTANTS_A_FRAME);
      const prompt = Array.from({ length: 1 + this.random.below(9) }, () => this.random.below(1e3));
      const answer = this.ring.answer(prompt, 1 + this.random.below(12));
      this.answers += 1;
      if (answer.outcome.kind === 'finished') this.finished += 1;
      check(answer);
      this.#checkBounds();
    }
  }

  /** The frames of now, and a few of answers that have ended. */
  #remember(bytes: Uint8Array): void {
    this.recent.unshift(bytes);
    if (this.recent.length > 12) this.recent.splice(4 + this.random.below(8), 1);
  }

  #send(bytes: Uint8Array, to: RingNode, peer: Parameters<FuzzRing['inject']>[1]): void {
    this.mutants += 1;
    const decoded = decodeFrame(bytes);
    if (!decoded.ok) {
      this.refused.set(decoded.why, (this.refused.get(decoded.why) ?? 0) + 1);
      return;
    }
    this.decoded += 1;
    const { frame } = decoded;
    const before = inSeqOf(to, frame);
    const isOver = frame.type === 'rows' && frame.seq === before && !fitsBudget(to, frame);
    if (isOver) this.overBudget += 1;
    this.ring.inject(to, peer, frame);
    if (inSeqOf(to, frame) !== before + 1) return;
    if (isOver) throw new Error(`takes ${frame.rows} rows from ${frame.firstPosition} on`);
    this.taken += 1;
  }

  /** Nothing that a peer sends grows without end. */
  #checkBounds(): void {
    for (const { core } of this.ring.nodes) {
      expect(core.held.length).toBeLessThanOrEqual(2 * STAGE.heldFramesPerPeerMax);
      expect(core.fences.size).toBeLessThanOrEqual(STAGE.fencesMax);
      expect(core.sessions.size).toBe(0);
      expect(viewStage(core).keptBytes).toBe(0);
      expect(core.running).toBeNull();
    }
  }

  /** Every way of a frame to be wrong was met, and many a mutant came through to the core. */
  checkReach(): void {
    for (const why of ['version', 'malformed', 'length', 'not-finite']) {
      expect(this.refused.get(why), why).toBeGreaterThan(300);
    }
    expect(this.decoded).toBeGreaterThan(MUTANTS / 4);
    expect(this.overBudget).toBeGreaterThan(100);
    expect(this.ring.rejected).toBeGreaterThan(100);
    expect(this.ring.faults).toBeGreaterThan(100);
  }
}

function inSeqOf({ core }: RingNode, frame: Frame): number {
  const session = core.sessions.get(frame.session);
  const seat = session?.seats.find(({ place }) => place === frame.place);
  return seat && frame.epoch === session?.prepare.epoch ? seat.flow.inSeq : NaN;
}

/** What a place may be sent: chunks below L, then single rows, in all as many as it may keep (S5). */
function fitsBudget({ core }: RingNode, frame: RowsFrame): boolean {
  const session = core.sessions.get(frame.session);
  if (!session) return true;
  const { prepare, seats } = session;
  const end = frame.firstPosition + frame.rows;
  if (end > prepare.promptLength + prepare.maxTokens) return false;
  if (frame.firstPosition >= prepare.resumeAt) {
    // The last place knows what it guessed.
    const drafts = seats.find(({ place }) => place === frame.place)?.flow.drafts;
    const isLast = frame.place === prepare.route.length - 1;
    const guessed = drafts?.position === frame.firstPosition + 1 ? drafts.ids.length : 0;
    return frame.rows <= 1 + (isLast ? guessed : prepare.draftsMax);
  }
  return end <= prepare.resumeAt && frame.rows <= prepare.chunkRows;
}

describe(`a million mutated frames, FUZZ_SEED=${SEED}`, () => {
  it('[B3] from a peer outside the route: every answer ends with the right ids', () => {
    const fuzz = new Fuzz('stranger');
    fuzz.run(({ ids, rightIds, outcome }) => {
      expect(outcome).toEqual({ kind: 'finished' });
      expect(ids).toEqual(rightIds);
    });
    fuzz.checkReach();
    expect(fuzz.taken).toBe(0);
  }, 60_000);

  it('[B3] from a place of the route: every answer ends, in order or with a code', () => {
    const fuzz = new Fuzz('member');
    fuzz.run(({ outcome }) => {
      if (outcome.kind === 'lost') expect(outcome.code).toMatch(/^session\//);
    });
    fuzz.checkReach();
    expect(fuzz.taken).toBeGreaterThan(1_000);
    expect(fuzz.finished).toBeGreaterThan(fuzz.answers / 20);
  }, 60_000);
});
