import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { encodeHead } from '#lib/ledger/store/head-layout.ts';
import {
  SEGMENT_HEADER_BYTES,
  chainAfter,
  encodeFrame,
  encodeSegmentHeader,
  type LogOwner,
} from '#lib/ledger/store/log-layout.ts';
import type { StateTie } from '#lib/ledger/store/judge.ts';
import { concatBytes } from '#lib/kernel/bytes.ts';
import { ZERO_HASH } from '#lib/ledger/crypto/sha256.ts';
import type { Effect, Environment, StoredState } from '#lib/ledger/pbft/types.ts';
import { partBytes } from '#lib/ledger/pbft/state-parts.ts';
import { counterApp } from '../counter-app.ts';
import { Cluster } from '../replica-cluster.ts';
import { Disk } from '#sim/ledger/disk.ts';

type Persist = Extract<Effect, { type: 'persist' }>;
type Stable = Extract<Effect, { type: 'stable' }>;

/** Keeps every effect that went to the disk. Each state is due: a short life has several on disk. */
class RecordingDisk extends Disk {
  readonly written: (Persist | Stable)[] = [];

  override write(effect: Persist | Stable): void {
    const due = effect.type === 'stable' ? { ...effect, dueAfter: 0 } : effect;
    this.written.push(due);
    super.write(due);
  }
}

/** All that a replica signs, by what it may sign once: the type, epoch, view and sequence. */
export class Votes {
  readonly byPlace = new Map<string, string>();
  readonly conflicts: string[] = [];

  /** @param bytes domain, zero, chain, body: as `signedBytes` writes them. */
  add(bytes: Uint8Array): void {
    const zero = bytes.indexOf(0);
    const type = new TextDecoder().decode(bytes.subarray(0, zero)).split('/')[3] ?? '';
    const body = bytes.subarray(zero + 33);
    // Votes: epoch, view, sequence. SEALs: epoch, sequence. Promises and NEW-VIEWs: epoch, view.
    const placeBytes = { seal: 16, 'view-change': 16, 'new-view': 16 }[type] ?? 24;
    const place = `${type}/${toHex(body.subarray(0, placeBytes))}`;
    const what = toHex(nodeSha256(body.subarray(placeBytes)));
    const known = this.byPlace.get(place);
    if (known !== undefined && known !== what) this.conflicts.push(place);
    this.byPlace.set(place, what);
  }
}

/** A member's life over two view changes, and what its disk and its key can tell of it. */
export interface Life {
  readonly env: Environment;
  readonly owner: LogOwner;
  readonly written: readonly (Persist | Stable)[];
  readonly votes: Votes;
  readonly cluster: Cluster;
}

/** Replica 2 of four. `slots` blocks a view; checkpoints every 8. */
export function recordLife(slots: number): Life {
  const cluster = new Cluster();
  const node = cluster.node(2);
  const disk = new RecordingDisk(counterApp);
  node.disk = disk;
  const votes = new Votes();
  const { signer } = node.env;
  const env = {
    ...node.env,
    signer: {
      publicKey: signer.publicKey,
      sign: (bytes: Uint8Array) => {
        votes.add(bytes);
        return signer.sign(bytes);
      },
    },
  };
  node.state = { ...node.state, env };
  const work = (name: string): void => {
    for (let i = 0; i < slots; i += 1) {
      cluster.request(`${name}${i}`.padEnd(40, '.'));
      cluster.run(30);
    }
  };
  work('a');
  cluster.crash(0);
  cluster.request('wakes the backups');
  cluster.run(3_000);
  work('b');
  cluster.restart(0);
  cluster.run(2_000);
  // A last slot that is open: voted for, and not executed.
  cluster.fate = (_, __, message) => (message.type === 'commit' ? [] : [5]);
  cluster.request('open'.padEnd(40, '.'));
  cluster.run(40);
  const owner = { chain: env.chain, key: signer.publicKey };
  return { env: node.env, owner, written: disk.written, votes, cluster };
}

export interface LogBytes {
  readonly segments: readonly Uint8Array[];
  readonly heads: readonly Uint8Array[];
  readonly ties: readonly StateTie[];
  readonly states: ReadonlyMap<number, StoredState>;
}

const TAIL_BYTES = 256;

/** The log as the writer lays it out, in segments of about so many bytes, each with a few zeros behind. */
export function layOut({ owner, written }: Life, segmentBytes: number): LogBytes {
  const segments: Uint8Array[] = [];
  const states = new Map<number, StoredState>();
  const ties: StateTie[] = [];
  let place = { count: 0, chainHash: ZERO_HASH };
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const begin = (): void => {
    const index = segments.length + 1;
    parts = [encodeSegmentHeader({ ...owner, ...place, index })];
    bytes = SEGMENT_HEADER_BYTES;
  };
  const end = (): void => void segments.push(concatBytes([...parts, new Uint8Array(TAIL_BYTES)]));
  const heads = [
    { ...place, epoch: 0, view: 0 },
    { ...place, epoch: 0, view: 0 },
  ];
  begin();
  for (const effect of written) {
    if (effect.type === 'stable') {
      const { app, ...rest } = effect.state;
      const { sequence } = rest.header;
      states.set(sequence, { ...rest, snapshot: partBytes(counterApp.parts(app)) });
      const { recordId } = effect;
      ties.push({ sequence, recordId, toldAgainId: recordId, logKey: owner.key });
      continue;
    }
    const frame = encodeFrame(effect.record, place.chainHash);
    if (bytes + frame.length > segmentBytes) {
      end();
      begin();
    }
    parts.push(frame);
    bytes += frame.length;
    place = { count: effect.id, chainHash: chainAfter(place.chainHash, effect.record, nodeSha256) };
    heads.push({ ...place, epoch: effect.epoch, view: effect.view });
  }
  end();
  const [before, last] = heads.slice(-2);
  const slot = (head: typeof before, counter: number): Uint8Array =>
    encodeHead({ ...owner, ...must(head, 'a head'), counter });
  return { segments, heads: [slot(before, 11), slot(last, 12)], ties, states };
}
