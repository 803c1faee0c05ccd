import type { Environment, Evidence } from '#lib/ledger/pbft/types.ts';
import type { ReplicaState } from '#lib/ledger/pbft/replica.ts';
import type { Disk } from './disk.ts';
import type { Role } from './scenario.ts';

/** One machine: a core, its disk and its clock. Twins are two with one key and one link. */
export interface Node {
  /** Place among the machines of this run. */
  readonly index: number;
  /** Of whoever runs it; the operator's key is the link's name and never changes. */
  readonly operator: string;
  readonly link: string;
  /** Null: correct. */
  readonly role: Role | null;
  /** Of two twins the second is 1. */
  readonly twin: 0 | 1;
  /** The vote key's name; another after amnesia. */
  keyName: string;
  env: Environment;
  state: ReplicaState;
  disk: Disk;
  isDown: boolean;
  /** Its clock against the others'. */
  skewMs: number;
  wakeAt: number;
  /** Its log was lost: this vote key may sign nothing more. */
  hasLostLog: boolean;
  readonly evidence: Evidence[];
}

export const isCorrect = ({ role }: Node): boolean => role === null;
