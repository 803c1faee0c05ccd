/** Closed: scripts go by it. */
export type FindingCode =
  /** The database's own files. */
  | 'fsck/database'
  | 'fsck/state'
  | 'fsck/unused-parts'
  | 'fsck/block'
  | 'fsck/certificate'
  | 'fsck/unfinished-file'
  /** A log that says nowhere whose it is. */
  | 'fsck/no-owner'
  /** A log of another chain than the folder, or parts of two logs. */
  | 'fsck/other-chain'
  /** A log that does not tell all that its key signed. */
  | 'fsck/amnesia'
  | 'fsck/torn-end'
  | 'fsck/head-slot';

/** `repairable`: what is wrong loses nothing; `lost`: no repair brings it back, `cure` says what to do. */
export interface Finding {
  readonly code: FindingCode;
  readonly where: string;
  readonly what: string;
  readonly kind: 'repairable' | 'lost';
  readonly cure: string;
  readonly isRepaired: boolean;
}

export type Tell = (finding: Omit<Finding, 'isRepaired'>) => void;
