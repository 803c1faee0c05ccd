import { fromHex, toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import {
  browserLightClient,
  httpSource,
  type LightClient,
  type Trust,
} from '#lib/ledger/client/browser.ts';

/** What a page saw, in what can be carried to the test: amounts in decimals, hashes in hex. */
export interface Seen {
  readonly code: string;
  /** Null: no such account. */
  readonly starterMicro?: string | null;
  readonly sequence?: number;
  readonly epoch?: number;
  readonly headerHash?: string;
  readonly trust?: Trust;
  readonly evidenceBytes?: number;
}

const bytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array(0);

let client: LightClient | null = null;

/** A new client of these sources; a pin as `sequence:hash`. */
async function begin(given: {
  readonly genesis: string;
  readonly origins: readonly string[];
  readonly pin?: string;
}): Promise<void> {
  const [first, ...more] = given.origins.map((origin) => httpSource(origin));
  if (first === undefined) throw new Error('no source');
  const [sequence = '', hash = ''] = (given.pin ?? '').split(':');
  const pin = { sequence: Number(sequence), headerHash: bytes(hash) };
  client = await browserLightClient({
    genesis: bytes(given.genesis),
    sources: [first, ...more],
    ...(given.pin === undefined ? {} : { pin }),
  });
}

async function seen(run: (of: LightClient) => Promise<Seen>): Promise<Seen> {
  if (client === null) throw new Error('no client');
  try {
    return await run(client);
  } catch (error) {
    if (!isFault(error)) throw error;
    const evidence = error.details['evidence'];
    return {
      code: error.code,
      ...(typeof evidence === 'string' ? { evidenceBytes: evidence.length / 2 } : {}),
    };
  }
}

const sync = (): Promise<Seen> =>
  seen(async (of) => {
    const { sequence, epoch, headerHash, trust } = await of.sync();
    return { code: 'ok', sequence, epoch, headerHash: toHex(headerHash), trust };
  });

const account = (key: string): Promise<Seen> =>
  seen(async (of) => {
    const { value, head } = await of.accountOf(bytes(key));
    const starterMicro = value === null ? null : value.starterMicro.toString();
    return { code: 'ok', starterMicro, sequence: head.sequence };
  });

const api = { begin, sync, account };

declare global {
  var lightPage: typeof api;
}
globalThis.lightPage = api;
