import { concatBytes, utf8 } from '#lib/kernel/bytes.ts';

/** Everything that a vote key signs, each with a domain of its own: no byte string passes as another. */
const NAMES = ['pre-prepare', 'prepare', 'commit', 'seal', 'view-change', 'new-view'] as const;
export type SignedType = (typeof NAMES)[number];

const DOMAINS = new Map(NAMES.map((name) => [name, utf8(`declai/ledger/pbft/${name}/1\0`)]));

/** What is signed: domain ‖ chain ‖ body. The chain is not sent: both ends know it. */
export const signedBytes = (type: SignedType, chain: Uint8Array, body: Uint8Array): Uint8Array =>
  concatBytes([DOMAINS.get(type) ?? new Uint8Array(0), chain, body]);
