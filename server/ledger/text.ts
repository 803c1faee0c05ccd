import { toHex } from '#lib/kernel/bytes.ts';

/** Any value of the ledger as JSON has it: bytes in hex, amounts and instants as decimal strings. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}

/** Micro as credits, for people. */
export function credits(micro: bigint): string {
  const fraction = (micro % 1_000_000n).toString().padStart(6, '0').replace(/0+$/, '');
  return `${micro / 1_000_000n}${fraction === '' ? '' : `.${fraction}`}`;
}

export const short = (bytes: Uint8Array): string => toHex(bytes).slice(0, 16);

export const timeText = (ms: number): string => new Date(ms).toISOString();
