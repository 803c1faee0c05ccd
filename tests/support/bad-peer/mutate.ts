import type { Random } from '#lib/kernel/random.ts';
import { FRAME_HEADER_BYTES } from '#lib/shard/wire/frame-codec.ts';

/** How a hostile peer changes the bytes of a valid frame. Offsets as in `frame-codec.ts`. */

const AT = {
  type: 1,
  epoch: 4,
  session: 8,
  place: 24,
  seq: 28,
  position: 32,
  rows: 36,
  width: 40,
  length: 44,
};
/** What byte 1 of a frame of rows is. */
const ROWS = 1;
const WORDS = [AT.epoch, AT.place, AT.seq, AT.position, AT.rows, AT.width, AT.length] as const;
/** Where a frame stands: what a peer that knows the protocol would lie about. */
const LIES = [AT.epoch, AT.place, AT.seq, AT.position] as const;
const EDGES = [0, 1, 2, 63, 64, 1_024, 2 ** 16, 2 ** 20, 2 ** 31, 2 ** 32 - 1] as const;
const POISON = [0x7fc00000, 0x7f800000, 0xff800000, 0x7f7fffff] as const;

type Change = (bytes: Uint8Array<ArrayBuffer>, random: Random) => Uint8Array<ArrayBuffer>;

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Plausible: one step beside the truth. */
const lie: Change = (bytes, random) => {
  const view = viewOf(bytes);
  const at = random.pick(LIES);
  const step = random.pick([-2, -1, 1, 2]);
  view.setUint32(at, Math.max(0, view.getUint32(at, true) + step) >>> 0, true);
  return bytes;
};

const edge: Change = (bytes, random) => {
  viewOf(bytes).setUint32(random.pick(WORDS), random.pick(EDGES), true);
  return bytes;
};

const flip: Change = (bytes, random) => {
  const at = random.below(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  return bytes;
};

const otherSession: Change = (bytes, random) => {
  viewOf(bytes).setUint32(AT.session, random.uint32(), true);
  return bytes;
};

const otherType: Change = (bytes, random) => {
  bytes[AT.type] = 1 + random.below(3);
  return bytes;
};

const cut: Change = (bytes, random) => bytes.slice(0, random.below(bytes.length));

const grow: Change = (bytes, random) => {
  const grown = new Uint8Array(bytes.length + 1 + random.below(64));
  grown.set(bytes);
  return grown;
};

/** NaN, infinities and the largest number, or any bits at all, in the tensor. */
const poison: Change = (bytes, random) => {
  const values = Math.floor((bytes.length - FRAME_HEADER_BYTES) / 4);
  if (values <= 0) return bytes;
  const bits = random.chance(0.3) ? random.pick(POISON) : random.uint32();
  viewOf(bytes).setUint32(FRAME_HEADER_BYTES + 4 * random.below(values), bits, true);
  return bytes;
};

/** A tensor of another shape whose length is true: only the receiver's model can refuse it. */
const reshape: Change = (bytes, random) => {
  const [rows, width] = [1 + random.below(4), 1 + random.below(4)];
  const shaped = new Uint8Array(FRAME_HEADER_BYTES + rows * width * 4);
  shaped.set(bytes.subarray(0, FRAME_HEADER_BYTES));
  const view = viewOf(shaped);
  [AT.rows, AT.width, AT.length].forEach((at, i) => {
    view.setUint32(at, [rows, width, rows * width * 4][i] ?? 0, true);
  });
  return shaped;
};

/** More rows, or fewer, all of them sound: only the budget of their place can refuse them. */
const stretch: Change = (bytes, random) => {
  const view = viewOf(bytes);
  const rows = 1 + random.below(6);
  const length = rows * view.getUint32(AT.width, true) * 4;
  if (bytes[AT.type] !== ROWS || length > 1_024) return bytes;
  const stretched = new Uint8Array(FRAME_HEADER_BYTES + length);
  stretched.set(bytes.subarray(0, stretched.length));
  viewOf(stretched).setUint32(AT.rows, rows, true);
  viewOf(stretched).setUint32(AT.length, length, true);
  return stretched;
};

const repeat: Change = (bytes) => bytes;

const CHANGES: readonly Change[] = [
  ...[lie, lie, lie, lie, lie, poison, poison, repeat, repeat],
  ...[edge, flip, otherSession, otherType, cut, grow, reshape, stretch],
];

/** One to three changes; the frame given stays as it is. */
export function mutate(frame: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array<ArrayBuffer> = Uint8Array.from(frame);
  for (let left = 1 + random.below(3); left > 0 && bytes.length >= FRAME_HEADER_BYTES; left -= 1) {
    bytes = random.pick(CHANGES)(bytes, random);
  }
  return bytes;
}
