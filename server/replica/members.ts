import { toHex } from '#lib/kernel/bytes.ts';
import { constitutionOf, type LedgerState } from '#lib/ledger/account/state.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { hostPort, type HostPort } from './transport/tls.ts';

/** A member as its links need it. */
export interface Peer {
  /** Its operator's key in hex. */
  readonly id: string;
  /** In hex: what the other end of a link has to prove. */
  readonly transportKey: string;
  /** Null: what the chain says is no address. */
  readonly address: HostPort | null;
}

/** Every member by the state's constitution, the own replica too. */
export const peersIn = (state: LedgerState, sha256: Sha256): Peer[] =>
  constitutionOf(state, sha256).replicas.map(({ operatorKey, transportKey, address }) => ({
    id: toHex(operatorKey),
    transportKey: toHex(transportKey),
    address: hostPort(new TextDecoder().decode(address)),
  }));
