import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { FaultError } from '#lib/kernel/errors.ts';
import { IMPORT } from '../limits.ts';

/** Called with the bytes just processed. */
export type OnBytes = (bytes: number) => void;

/** A file of known size, read by position; nothing of it is kept in memory. */
export interface ByteFile {
  readonly name: string;
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`.
   * @throws FaultError `package/malformed` where the file ends before that.
   */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** @throws FaultError `package/not-found` where the path is no readable file. */
export async function openByteFile(path: string): Promise<ByteFile> {
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw new FaultError('package/not-found', `cannot read ${path}`, { cause });
  });
  const stat = await handle.stat();
  const name = basename(path);
  if (!stat.isFile()) {
    await handle.close();
    throw new FaultError('package/not-found', `${path} is not a file`);
  }
  return {
    name,
    size: stat.size,
    async read(offset, length) {
      if (offset + length > stat.size) {
        throw new FaultError('package/malformed', `${name} is cut short`);
      }
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length;) {
        const { bytesRead } = await handle.read(bytes, at, length - at, offset + at);
        if (bytesRead === 0) throw new FaultError('package/malformed', `${name} is cut short`);
        at += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
}

export interface Reading {
  readonly offset: number;
  readonly length: number;
  /** Pieces are multiples of this, a row for tensors: at most `IMPORT.readBytes`. */
  readonly unit?: number;
}

/** The bytes `offset` … `offset + length`, in pieces of bounded size. */
export async function* readPieces(
  file: ByteFile,
  { offset, length, unit = 1 }: Reading,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const pieceBytes = Math.max(1, Math.floor(IMPORT.readBytes / unit)) * unit;
  for (let at = 0; at < length; at += pieceBytes) {
    yield await file.read(offset + at, Math.min(pieceBytes, length - at));
  }
}

/** @throws FaultError `kernel/aborted` once the signal fired. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw new FaultError('kernel/aborted', 'stopped on request');
}

/** SHA-256 of a whole file, in hex. */
export async function hashFile(
  file: ByteFile,
  onBytes: OnBytes,
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of readPieces(file, { offset: 0, length: file.size })) {
    throwIfAborted(signal);
    hash.update(piece);
    onBytes(piece.length);
  }
  return hash.digest('hex');
}
