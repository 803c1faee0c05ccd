/** The files of one log: a door, so that tests can cut the power. Names are those of one flat folder. */
export interface Disk {
  /** Every file's name. */
  list(): Promise<string[]>;
  /** Null where there is none. */
  read(name: string): Promise<Uint8Array | null>;
  /** A whole new file, or another in its place: on disk with its name before this resolves. */
  create(name: string, bytes: Uint8Array): Promise<void>;
  open(name: string): Promise<DiskFile>;
  /** On disk before this resolves. */
  remove(name: string): Promise<void>;
}

export interface DiskFile {
  /** Overwrites; lost by a crash until `sync`. */
  write(bytes: Uint8Array, at: number): Promise<void>;
  /** fdatasync. Rejects where the disk did not take it: nobody may go on as if it had. */
  sync(): Promise<void>;
  close(): Promise<void>;
}
