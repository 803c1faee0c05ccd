import { HASH_BYTES } from '#lib/ledger/crypto/sha256.ts';
import { SIGNATURE_BYTES } from '#lib/ledger/crypto/ed25519/rule.ts';
import { Writer, ascending, type Reader } from '../codec/bytes.ts';
import { REPLICAS_MAX } from '../quorum.ts';
import { readSigned, writeSigned, type Signed } from './vote.ts';

/** What a SEAL signs: this block is executed and its header is that one. No view, so one a block. */
export interface SealBody {
  readonly epoch: number;
  readonly sequence: number;
  readonly headerHash: Uint8Array;
}

/** One SEAL a replica and executed batch; at n ≡ 0 mod K it goes to all and is the CHECKPOINT. */
export interface Seal extends SealBody, Signed {
  readonly type: 'seal';
}

export const sealBodyBytes = ({ epoch, sequence, headerHash }: SealBody): Uint8Array =>
  new Writer().u64(epoch).u64(sequence).raw(headerHash).done();

export const writeSeal = (out: Writer, seal: Seal): Writer =>
  writeSigned(out.raw(sealBodyBytes(seal)), seal);

export const readSeal = (from: Reader): Seal => ({
  type: 'seal',
  epoch: from.u64(),
  sequence: from.u64(),
  headerHash: from.raw(HASH_BYTES),
  replica: from.u16(),
  signature: from.raw(SIGNATURE_BYTES),
});

/** q equal SEALs of one epoch's members, by ascending replica; beside the header it certifies. */
export interface SealCertificate extends SealBody {
  readonly seals: readonly Signed[];
}

export const writeSealCertificate = (out: Writer, certificate: SealCertificate): Writer =>
  out.raw(sealBodyBytes(certificate)).list(certificate.seals, writeSigned);

export const readSealCertificate = (from: Reader): SealCertificate => ({
  epoch: from.u64(),
  sequence: from.u64(),
  headerHash: from.raw(HASH_BYTES),
  seals: ascending(from.list(REPLICAS_MAX, readSigned), ({ replica }) => replica),
});
