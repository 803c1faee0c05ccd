import { expect, test } from 'vitest';
import { utf8 } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { seededRandom } from '#lib/kernel/random.ts';
import { readGenesis, writeGenesis } from '#lib/ledger/account/genesis.ts';
import { CLIENT_LIMITS, CLIENT_TIMES } from '#lib/ledger/client/limits.ts';
import { decodeAnswer, encodeAnswer, type Answer } from '#lib/ledger/client/wire/answers.ts';
import { REFUSALS, refusalFault } from '#lib/ledger/client/wire/codes.ts';
import {
  decodeRequest,
  encodeRequest,
  type ClientRequest,
} from '#lib/ledger/client/wire/requests.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import type { Header } from '#lib/ledger/pbft/messages/header.ts';
import { bytes32, genesisOf } from '#tests/support/ledger/world.ts';

const tag = 7;
const signature = new Uint8Array(64).fill(9);
const header: Header = {
  ...{ chain: bytes32('chain'), epoch: 1, sequence: 20, prevHeaderHash: bytes32('before') },
  ...{ timeMs: 1_800_000_000_000, batchDigest: bytes32('batch'), resultsRoot: bytes32('results') },
  ...{ stateRoot: bytes32('state'), historyRoot: bytes32('history') },
  ...{ nextMembersHash: bytes32('members'), beacon: new Uint8Array(32) },
};
const signed = [0, 2].map((replica) => ({ replica, signature }));
const certificate = { epoch: 1, sequence: 20, headerHash: bytes32('header'), seals: signed };
const path = [bytes32('a'), bytes32('b')];
const sealed = { header, seals: [certificate, { ...certificate, sequence: 19 }] };

const REQUESTS: readonly ClientRequest[] = [
  { type: 'submit', tag, transaction: utf8('transaction') },
  { type: 'outcome', tag, id: bytes32('id') },
  { type: 'read', tag, at: 'certified', minSequence: 3, keys: path },
  { type: 'open-holds', tag, gateway: bytes32('gateway'), after: null },
  { type: 'open-holds', tag, gateway: bytes32('gateway'), after: bytes32('hold').slice(0, 16) },
  { type: 'blocks', tag, from: 2 ** 40, count: 256 },
  { type: 'subscribe', tag, from: 1 },
  { type: 'unsubscribe', tag },
  { type: 'epoch-ends', tag, from: 0 },
  { type: 'history', tag, sequence: 3, of: 20 },
  { type: 'status', tag },
  { type: 'evidence', tag, index: 3 },
];

const result = new Uint8Array(41).fill(3);
const ANSWERS: readonly Answer[] = [
  { type: 'executed', tag, ...sealed, result, index: 1, count: 3, path },
  { type: 'records', tag, ...sealed, records: [{ value: utf8('value'), proof: utf8('proof') }] },
  { type: 'records', tag, ...sealed, records: [{ value: null, proof: utf8('proof') }] },
  {
    type: 'blocks',
    tag,
    blocks: [{ header, seals: signed, batch: utf8('batch'), results: [result] }],
  },
  { type: 'epoch-ends', tag, ends: [{ header, certificate, membership: utf8('members') }] },
  { type: 'history', tag, path },
  {
    ...{ type: 'status', tag, chain: bytes32('chain'), epoch: 1, view: 2, executed: 20 },
    ...{ stable: 16, firstBlock: 1, timeMs: 1_800_000_000_000, peers: 3 },
  },
  {
    ...{ type: 'evidence', tag, count: 2 },
    evidence: {
      ...{ epoch: 1, replica: 3, kind: 'commit' },
      ...{ first: utf8('one'), second: utf8('other') },
    },
  },
  { type: 'refused', tag, code: 'ledger/busy', retryAfterMs: 250 },
];

/** Bytes as this kind of message, encoded again; null where they are none. */
const again = {
  request: (bytes: Uint8Array) => {
    const read = decodeRequest(bytes);
    return isFault(read) ? null : encodeRequest(read);
  },
  answer: (bytes: Uint8Array) => {
    const read = decodeAnswer(bytes);
    return isFault(read) ? null : encodeAnswer(read);
  },
};

test.each([
  ['request', REQUESTS.map(encodeRequest)],
  ['answer', ANSWERS.map(encodeAnswer)],
] as const)('[L1] every %s comes back from its bytes, and has no other', (kind, all) => {
  const random = seededRandom(5);
  for (const bytes of all) {
    expect(again[kind](bytes)).toEqual(bytes);
    for (let i = 0; i < bytes.length; i += 1) {
      const changed = Uint8Array.from(bytes);
      changed[i] = (changed[i] ?? 0) ^ (1 << random.below(8));
      const other = again[kind](changed);
      if (other !== null) expect(bytesEqual(other, changed)).toBe(true);
    }
    for (const cut of [bytes.subarray(0, -1), new Uint8Array([...bytes, 0])]) {
      expect(again[kind](cut)).toBeNull();
    }
  }
});

test('[L1] requests and answers keep all that was said', () => {
  for (const request of REQUESTS) expect(decodeRequest(encodeRequest(request))).toEqual(request);
  for (const answer of ANSWERS) expect(decodeAnswer(encodeAnswer(answer))).toEqual(answer);
});

test('[L1] decoding takes any bytes, and never more than a frame', () => {
  const random = seededRandom(6);
  for (let i = 0; i < 2_000; i += 1) {
    const bytes = Uint8Array.from({ length: random.below(60) }, () => random.below(256));
    bytes[0] = i % 2 === 0 ? 1 + (i % 12) : 129 + (i % 9);
    for (const decode of [decodeRequest, decodeAnswer]) {
      const message = decode(bytes);
      expect(isFault(message) || message.tag >= 0).toBe(true);
    }
  }
  const long = new Uint8Array(CLIENT_LIMITS.answerBytesMax + 1);
  expect(isFault(decodeRequest(long), 'wire/malformed')).toBe(true);
  expect(isFault(decodeAnswer(long), 'wire/malformed')).toBe(true);
});

test('[L1] counts, places and lists beyond their bounds are refused before anything is made', () => {
  const many = Array.from({ length: CLIENT_LIMITS.keysMax + 1 }, () => bytes32('key'));
  const wrong: readonly ClientRequest[] = [
    { type: 'read', tag, at: 'newest', minSequence: 0, keys: many },
    { type: 'blocks', tag, from: 0, count: 0 },
    { type: 'blocks', tag, from: 0, count: 257 },
    { type: 'history', tag, sequence: 20, of: 20 },
    { type: 'open-holds', tag, gateway: bytes32('gateway'), after: new Uint8Array(5) },
  ];
  for (const each of wrong) {
    expect(isFault(decodeRequest(encodeRequest(each)), 'wire/malformed')).toBe(true);
  }
  const twice = [signed[0]!, signed[0]!];
  const answers: readonly Answer[] = [
    { type: 'records', tag, header, seals: [{ ...certificate, seals: twice }], records: [] },
    { type: 'blocks', tag, blocks: [{ header, seals: twice, batch: utf8(''), results: [] }] },
  ];
  for (const each of answers) {
    expect(isFault(decodeAnswer(encodeAnswer(each)), 'wire/malformed')).toBe(true);
  }
});

test('[L1] every refusal has a byte and says what to do', () => {
  for (const code of REFUSALS) {
    const refused = { type: 'refused', tag, code, retryAfterMs: 0 } as const;
    expect(decodeAnswer(encodeAnswer(refused))).toEqual(refused);
    expect(refusalFault(code, 0).message.length).toBeGreaterThan(20);
  }
  expect(refusalFault('ledger/busy', 250).details).toEqual({ retryAfterMs: 250 });
});

test('[T1] a genesis file has one encoding, and bounds', () => {
  const genesis = genesisOf();
  const bytes = writeGenesis(genesis);
  expect(readGenesis(bytes)).toEqual(genesis);
  expect(isFault(readGenesis(bytes.subarray(0, -1)), 'wire/malformed')).toBe(true);
  expect(isFault(readGenesis(new Uint8Array(20_000)), 'wire/malformed')).toBe(true);
  const narrow = genesisOf(undefined, { logWindow: 15n });
  expect(isFault(readGenesis(writeGenesis(narrow)), 'server/config')).toBe(true);
});

test('[L10] a refusal that asks for days is none', () => {
  const of = { type: 'refused', tag, code: 'ledger/busy' } as const;
  const most = { ...of, retryAfterMs: CLIENT_TIMES.retryAfterMsMax };
  expect(decodeAnswer(encodeAnswer(most))).toEqual(most);
  const bytes = encodeAnswer({ ...most, retryAfterMs: most.retryAfterMs + 1 });
  expect(isFault(decodeAnswer(bytes), 'wire/malformed')).toBe(true);
});
