import { concatBytes, toHex, utf8 } from '#lib/kernel/bytes.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { Reader, Writer } from '#lib/ledger/pbft/codec/bytes.ts';
import type {
  AppState,
  Application,
  Constitution,
  Member,
  Parameters,
} from '#lib/ledger/pbft/types.ts';

/** 64 bytes that only who knows `publicKey` as a secret makes: enough where signatures are not the point. */
export const keyedSigner = (name: string): Signer => {
  const publicKey = nodeSha256(utf8(`key of ${name}`));
  return { publicKey, sign: (message) => keyedSignature(publicKey, message) };
};

const keyedSignature = (key: Uint8Array, message: Uint8Array): Uint8Array => {
  const half = nodeSha256(concatBytes([key, message]));
  return concatBytes([half, half]);
};

export const keyedVerify: Verify = (key, message, signature) =>
  bytesEqual(keyedSignature(key, message), signature);

/** What the tests order: names, each executed once; some change the members. */
export interface CounterState {
  readonly executed: readonly string[];
  readonly epoch: number;
  /** `id:key` of each member, the key's name. */
  readonly members: readonly string[];
  readonly parameters: Parameters;
  readonly change: { readonly members: readonly string[]; readonly after: number } | null;
}

export const PARAMETERS: Parameters = {
  timeoutMs: 1_000,
  checkpointInterval: 8,
  logWindow: 16,
  window: 8,
  batchMax: 4,
};

export const counterGenesis = (members: readonly string[], change = {}): CounterState => ({
  executed: [],
  epoch: 0,
  members,
  parameters: { ...PARAMETERS, ...change },
  change: null,
});

const memberOf = (text: string): Member => {
  const [id = '', key = ''] = text.split(':');
  return { id, voteKey: keyedSigner(key).publicKey };
};

const stateOf = (state: AppState): CounterState => state as CounterState;
const textOf = (request: Uint8Array): string => new TextDecoder().decode(request);
const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));

/** A state's parts: small, so that there are several. */
export const PART_BYTES = 64;

/** `members …` makes these the members from the next epoch on; a name that begins with `bad` is invalid. */
export const counterApp: Application = {
  checkRequest: (request) => (textOf(request).startsWith('bad') ? null : textOf(request)),
  checkBatch(bytes) {
    try {
      const from = new Reader(bytes);
      const timeMs = from.u64();
      const requests = from.list(1024, (each) => each.blob(4096));
      from.end();
      const ids = requests.map((request) => counterApp.checkRequest(request));
      const valid = ids.filter((id) => id !== null);
      if (valid.length !== ids.length) return null;
      return { bytes, digest: nodeSha256(bytes), timeMs, requests, ids: valid };
    } catch {
      return null;
    }
  },
  writeBatch: (timeMs, requests) =>
    new Writer()
      .u64(timeMs)
      .list(requests, (out, each) => out.blob(each))
      .done(),
  admits: (state, request) => !stateOf(state).executed.includes(textOf(request)),
  execute(given, { sequence, batch }) {
    let state = stateOf(given);
    const results: Uint8Array[] = [];
    for (const name of batch.ids) {
      const isNew = !state.executed.includes(name);
      results.push(utf8(isNew ? `done ${name}` : 'again'));
      if (!isNew) continue;
      state = { ...state, executed: [...state.executed, name] };
      if (name.startsWith('members ') && state.change === null) {
        const { window, checkpointInterval: interval } = state.parameters;
        const after = Math.ceil((sequence + window) / interval) * interval;
        state = { ...state, change: { members: name.split(' ').slice(1), after } };
      }
    }
    const { change } = state;
    if (change?.after === sequence) {
      state = { ...state, epoch: state.epoch + 1, members: change.members, change: null };
    }
    return { state, results, resultsRoot: nodeSha256(concatBytes(results)) };
  },
  stateRoot: (state) => nodeSha256(json(state)),
  constitution(given): Constitution {
    const { epoch, members, parameters, change } = stateOf(given);
    const membership = json({ epoch, members });
    return {
      ...{ epoch, parameters, membership },
      members: members.map(memberOf),
      endsAfter: change?.after ?? null,
    };
  },
  dueAt: () => null,
  parts(state) {
    const bytes = json(state);
    const count = Math.ceil(bytes.length / PART_BYTES);
    return Array.from({ length: count }, (_, i) => {
      const part = bytes.slice(i * PART_BYTES, (i + 1) * PART_BYTES);
      return { hash: nodeSha256(part), bytes: () => part };
    });
  },
  readPart: (bytes) => bytes,
  restore(parts, stateRoot) {
    const bytes = concatBytes(parts as readonly Uint8Array[]);
    return bytesEqual(nodeSha256(bytes), stateRoot)
      ? (JSON.parse(new TextDecoder().decode(bytes)) as CounterState)
      : null;
  },
  readMembership(bytes) {
    try {
      const { epoch, members } = JSON.parse(textOf(bytes)) as CounterState;
      return { epoch, members: members.map(memberOf) };
    } catch {
      return null;
    }
  },
};

export const hashName = (bytes: Uint8Array): string => toHex(bytes).slice(0, 8);
