import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { auditTranscript } from '#lib/ledger/client/audit.ts';
import { decodeAnswer, encodeAnswer } from '#lib/ledger/client/wire/answers.ts';
import { readTranscript, writeTranscript } from '#lib/ledger/client/transcript.ts';
import { nodeSha256, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { goldenChain } from './chain.ts';

const stored = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(goldenPath(`ledger/${name}`)));
const genesis = stored('genesis.cbor');
const transcript = stored('chain.transcript');
const verify = serverVerifier();
const audit = (bytes: Uint8Array, of = genesis) =>
  auditTranscript({ genesis: of, transcript: bytes, verify, sha256: nodeSha256 });

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'ok';
  } catch (error) {
    if (isFault(error)) return error.code;
    throw error;
  }
}

/** A change here is another format: chains of before it can no longer be read. */
test('[L14] replicas still write the golden chain, to the byte', () => {
  const made = goldenChain();
  expect(toHex(nodeSha256(made.genesis))).toBe(toHex(nodeSha256(genesis)));
  expect(toHex(nodeSha256(made.transcript))).toBe(toHex(nodeSha256(transcript)));
});

test('[L14] the golden chain is verified from its genesis alone, over three epochs', () => {
  const { head, chain, ...counts } = audit(transcript);
  expect(counts).toEqual({ epoch: 2, blocks: 26, transactions: 11, records: 4, absent: 1, outcomes: 2 });
  expect(head.sequence).toBe(26);
  expect(chain).toEqual(nodeSha256(genesis));
});

test('[L14] no part of it may be left out, put elsewhere, or be another network’s', () => {
  const [ends, blocks, read, first, second, history] = readTranscript(transcript);
  const all = [ends!, blocks!, read!, first!, second!, history!];
  expect(writeTranscript(all)).toEqual(transcript);
  const without = all.slice(1);
  expect(codeOf(() => audit(writeTranscript(without)))).toBe('ledger/unproven');
  const swapped = [ends!, blocks!, { ...first!, reply: second!.reply }];
  expect(codeOf(() => audit(writeTranscript(swapped)))).toBe('ledger/unproven');
  const kept = blocks!.reply.type === 'blocks' ? blocks!.reply.blocks : [];
  for (const some of [kept.toSpliced(4, 1), kept.toReversed(), kept.map((each) => ({ ...each, seals: [] }))]) {
    const reply = { type: 'blocks', blocks: some } as const;
    expect(codeOf(() => audit(writeTranscript([ends!, { ...blocks!, reply }])))).toBe('ledger/unproven');
  }
  const other = Uint8Array.from(genesis);
  other[3]! ^= 1;
  expect(codeOf(() => audit(transcript, other))).toMatch(/unproven|malformed/);
  expect(codeOf(() => audit(genesis))).toBe('wire/malformed');
});

test('[L14] no bit of an answer may be another', () => {
  const all = readTranscript(transcript);
  for (const [i, { question, reply }] of all.entries()) {
    const bytes = encodeAnswer({ ...reply, tag: i + 1 });
    // Behind type and tag; every 131st byte, for an audit takes some milliseconds.
    for (let at = 5 + i; at < bytes.length; at += 131) {
      const changed = Uint8Array.from(bytes);
      changed[at]! ^= 1 << (at % 8);
      const read = decodeAnswer(changed);
      if (isFault(read)) continue;
      const lied = all.with(i, { question, reply: read });
      expect([i, at, codeOf(() => audit(writeTranscript(lied)))]).not.toEqual([i, at, 'ok']);
    }
  }
});

test('[L14] SEALs beside an answer are of its own place, also where its block is certified elsewhere', () => {
  const all = readTranscript(transcript);
  let count = 0;
  for (const [i, { question, reply }] of all.entries()) {
    if (reply.type !== 'executed') continue;
    for (const [epochs, blocks] of [
      [1, 0],
      [0, 1],
    ] as const) {
      const seals = reply.seals.map((set) => ({
        ...set,
        ...{ epoch: set.epoch + epochs, sequence: set.sequence + blocks },
      }));
      const lied = all.with(i, { question, reply: { ...reply, seals } });
      expect(codeOf(() => audit(writeTranscript(lied)))).toBe('ledger/unproven');
      count += 1;
    }
  }
  expect(count).toBeGreaterThan(0);
});
