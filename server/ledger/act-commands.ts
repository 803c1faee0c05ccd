import { randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { toHex } from '#lib/kernel/bytes.ts';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { holdIdMs } from '#lib/ledger/account/rules/hold.ts';
import { MINT_BYTES_MAX } from '#lib/ledger/account/limits.ts';
import type { LedgerClient } from '#lib/ledger/client/client.ts';
import type { Done } from '#lib/ledger/client/submitting.ts';
import { quorumOf } from '#lib/ledger/pbft/quorum.ts';
import { durationOf, hexOf, invalid, microOf, type LedgerArgs } from './args.ts';
import { approved, changeOf, readChangeFile, type ChangeText } from './change-file.ts';
import { loadNetwork } from './connect.ts';
import { readBounded, reasonOf } from './files.ts';
import { loadKey } from './keys.ts';
import { OUTCOME_TEXT } from './outcome-text.ts';
import { accountOf, withClient } from './read-commands.ts';
import { done, EXIT, type Report } from './report.ts';

const KEY_BYTES = 32;
const HOLD_ID_BYTES = 16;

/** One request, signed by --key, and what became of it. */
function act(
  args: LedgerArgs,
  ask: (client: LedgerClient) => { readonly done: Promise<Done>; readonly names?: object },
): Promise<Report> {
  if (args.values.key === undefined) throw invalid(`${args.command} needs --key FILE`);
  return withClient(args, (client) => reported(ask(client)));
}

async function reported(of: {
  readonly done: Promise<Done>;
  readonly names?: object;
}): Promise<Report> {
  const { names = {} } = of;
  const { sequence, code, certificate } = await of.done.catch((error: unknown) => {
    if (!(error instanceof FaultError)) throw error;
    // Who calls again must know under which id.
    throw new FaultError(error.code, error.message, { details: { ...error.details, ...names } });
  });
  const said = Object.entries(names).map(([name, value]) => `${name} ${String(value)}`);
  const json = { code, sequence, certificate: certificate.weight, ...names };
  const message = code === 'ok' ? null : OUTCOME_TEXT[code];
  return {
    lines: [`${code} at block ${sequence}${message === null ? '' : `: ${message}`}`, ...said],
    json: message === null ? json : { ...json, message },
    exitCode: code === 'ok' ? EXIT.ok : EXIT.fault,
  };
}

export const grant = (args: LedgerArgs): Promise<Report> =>
  act(args, (client) => {
    const [key = '', micro = ''] = args.operands;
    const expiresAtMs = BigInt(Date.now() + durationOf(args.values.for ?? '30d'));
    const body = { publicKey: hexOf(key, KEY_BYTES, 'a key'), amountMicro: microOf(micro) };
    return { done: client.grant({ ...body, expiresAtMs }) };
  });

export const hold = (args: LedgerArgs): Promise<Report> =>
  act(args, (client) => {
    const { gateway, id, cluster, for: duration = '1h' } = args.values;
    if (gateway === undefined) throw invalid('hold needs --gateway KEY: who may capture it');
    const holdId = id === undefined ? newHoldId(Date.now()) : hexOf(id, HOLD_ID_BYTES, 'an id');
    const body = {
      ...{ holdId, account: accountOf({ ...args, operands: [] }, client) },
      gateway: hexOf(gateway, KEY_BYTES, 'a key'),
      amountMicro: microOf(args.operands[0] ?? ''),
      // From the id's own instant: who repeats it asks for the same.
      expiresAtMs: holdIdMs(holdId) + BigInt(durationOf(duration)),
      cluster: cluster === undefined ? null : hexOf(cluster, KEY_BYTES, 'a cluster'),
    };
    return { done: client.hold(body), names: { id: toHex(holdId) } };
  });

/** Six bytes of the instant, ten of chance: so an id is good once, for ever. */
export function newHoldId(nowMs: number): Uint8Array {
  const id = new Uint8Array(randomBytes(HOLD_ID_BYTES));
  const view = new DataView(id.buffer);
  view.setUint16(0, Math.floor(nowMs / 2 ** 32));
  view.setUint32(2, nowMs % 2 ** 32);
  return id;
}

const holdIdOf = ({ operands }: LedgerArgs): Uint8Array =>
  hexOf(operands[0] ?? '', HOLD_ID_BYTES, 'a hold');

export const capture = (args: LedgerArgs): Promise<Report> =>
  act(args, (client) => {
    const amountMicro = microOf(args.operands[1] ?? '');
    return { done: client.capture({ holdId: holdIdOf(args), amountMicro }) };
  });

export const voidHold = (args: LedgerArgs): Promise<Report> =>
  act(args, (client) => ({ done: client.voidHold({ holdId: holdIdOf(args) }) }));

/**
 * A transaction that somebody signed elsewhere, for which no key is needed; or the JSON of a change that
 * its operators have approved, sent by the one of --key.
 */
export async function submit(args: LedgerArgs): Promise<Report> {
  const { path, bytes } = await fileOf(args);
  if (!isFault(readTransaction(bytes, nodeSha256))) {
    return withClient(args, (client) => reported({ done: client.submitBytes(bytes) }));
  }
  const change = changeOf(readChangeFile({ path, bytes }));
  return act(args, (client) => ({ done: client.submit(change) }));
}

/** Adds the approval of the operator of --key to a change, in its file. */
export async function approve(args: LedgerArgs): Promise<Report> {
  const { key, genesis } = args.values;
  if (key === undefined) throw invalid('approve needs --key FILE: an operator’s');
  const given = await fileOf(args);
  const file = readChangeFile(given);
  const { chain, genesis: begun } = await loadNetwork(genesis);
  const after = approved(file, chain, await loadKey(key));
  const { type, approvals } = changeOf(after);
  const { path } = given;
  await replaceFile(path, `${JSON.stringify(after, null, 2)}\n`);
  const needed = quorumOf(begun.replicas.length);
  return done(
    { file: path, type, approvals: approvals.length },
    `${type}: ${approvals.length} approvals; a network of ${begun.replicas.length}, as it began, needs ${needed}`,
  );
}

async function fileOf({ operands }: LedgerArgs): Promise<ChangeText> {
  const [path = ''] = operands;
  return { path, bytes: await readBounded(path, MINT_BYTES_MAX) };
}

/** The words of others are in it: it is there before and after, whatever happens between. */
async function replaceFile(path: string, text: string): Promise<void> {
  const unfinished = `${path}.new`;
  try {
    await writeFile(unfinished, text, { flush: true });
    await rename(unfinished, path);
  } catch (cause) {
    throw new FaultError('server/config', `cannot write ${path}: ${reasonOf(cause)}`, { cause });
  }
}
