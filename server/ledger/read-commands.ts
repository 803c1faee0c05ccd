import { writeFile } from 'node:fs/promises';
import { toHex } from '#lib/kernel/bytes.ts';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { accountId } from '#lib/ledger/account/accounts.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { auditTranscript } from '#lib/ledger/client/audit.ts';
import type { LedgerClient } from '#lib/ledger/client/client.ts';
import type { FollowedBlock } from '#lib/ledger/client/following.ts';
import { writeTranscript } from '#lib/ledger/client/transcript.ts';
import { nodeSha256, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { countOf, hexOf, invalid, timeoutOf, type LedgerArgs } from './args.ts';
import { connectLedger, loadNetwork } from './connect.ts';
import { involves, type Involved } from './involves.ts';
import { loadKey } from './keys.ts';
import { done, type Report } from './report.ts';
import { credits, plain, short, timeText } from './text.ts';

const ACCOUNT_BYTES = 32;
const COUNT_DEFAULT = '20';

/** Runs with a client, and ends its connections. */
export async function withClient<T>(
  { values }: LedgerArgs,
  run: (client: LedgerClient) => Promise<T>,
): Promise<T> {
  const network = await loadNetwork(values.genesis);
  const signer = values.key === undefined ? null : await loadKey(values.key);
  const timeoutMs = timeoutOf(values.timeout);
  const client = connectLedger(network, { replicas: values.replicas, signer, timeoutMs });
  try {
    return await run(client);
  } finally {
    client.close();
  }
}

/** The account that is named, or the key's own. @throws FaultError request/invalid */
export function accountOf({ operands, values }: LedgerArgs, client: LedgerClient): Uint8Array {
  const named = values.account ?? operands[0];
  if (named !== undefined) return hexOf(named, ACCOUNT_BYTES, 'an account');
  if (values.key === undefined) throw invalid('an account, or the --key of one, is needed');
  return accountId(client.publicKey, nodeSha256);
}

export const balance = (args: LedgerArgs): Promise<Report> =>
  withClient(args, async (client) => {
    const id = accountOf(args, client);
    const { record, sequence, timeMs, certificate, isStale } = await client.account(id);
    const at = { sequence, timeMs, isStale, certificate: certificate.weight };
    if (record === null) {
      return done(
        { account: toHex(id), exists: false, ...at },
        `${toHex(id)}: there is no such account (proven at block ${sequence}${isStale ? ', stale' : ''})`,
      );
    }
    const { starterMicro, earnedMicro, maturingMicro, heldMicro } = record;
    return done(
      { account: toHex(id), exists: true, ...at, record: plain(record) },
      `account   ${toHex(id)}`,
      `free      ${credits(starterMicro + earnedMicro)} (starter ${credits(starterMicro)}, earned ${credits(earnedMicro)})`,
      `maturing  ${credits(maturingMicro)}`,
      `held      ${credits(heldMicro)} in ${record.openHolds} holds`,
      `at block  ${sequence}, ${timeText(timeMs)}${isStale ? ', stale' : ''}`,
    );
  });

/** Blocks that are asked for, `from` to `last`; none where `last` is below `from`. */
interface Range {
  readonly from: number;
  readonly last: number;
  /** Where the ledger is now. */
  readonly head: number;
}

async function rangeOf({ values }: LedgerArgs, client: LedgerClient): Promise<Range> {
  const from = Math.max(1, countOf(values.from ?? '1', '--from'));
  const count = countOf(values.count ?? COUNT_DEFAULT, '--count');
  const head = await headOf(client);
  return { from, last: Math.min(head, from + count - 1), head };
}

/** @throws FaultError ledger/no-quorum the next one does not come in time */
export async function* blocksIn(
  { from, last }: Omit<Range, 'head'>,
  client: Pick<LedgerClient, 'subscribe'>,
  timeoutMs: number,
): AsyncGenerator<FollowedBlock> {
  if (last < from) return;
  const all = client.subscribe({ fromSequence: from });
  for (let sequence = from; sequence <= last; sequence += 1) {
    yield await inTime(all.next(), { sequence, timeoutMs });
  }
  await all.return(undefined);
}

/** Whoever closes the client ends a subscription that waits. */
async function inTime(
  next: Promise<IteratorResult<FollowedBlock, undefined>>,
  { sequence, timeoutMs }: { readonly sequence: number; readonly timeoutMs: number },
): Promise<FollowedBlock> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, timeoutMs, null)));
  const got = await Promise.race([next, late]).finally(() => clearTimeout(timer));
  if (got !== null && got.done !== true) return got.value;
  throw new FaultError('ledger/no-quorum', `too few replicas show block ${sequence}`);
}

/** What was looked through, where there is more. */
const more = ({ from, last, head }: Range): string[] =>
  last >= from && last < head
    ? [`blocks ${from} to ${last} of ${head}: --from ${last + 1} goes on`]
    : [];

/** The newest block that is proven: nobody's word is asked for. */
const headOf = async (client: LedgerClient): Promise<number> =>
  (await client.record('totals', new Uint8Array(0))).sequence;

export const history = (args: LedgerArgs): Promise<Report> =>
  withClient(args, async (client) => {
    const id = accountOf(args, client);
    const involved: Involved = { account: id, keys: new Set(), holds: new Set() };
    const { record } = await client.account(id);
    for (const { publicKey } of record?.keys ?? []) involved.keys.add(toHex(publicKey));
    const found: object[] = [];
    const lines: string[] = [];
    const range = await rangeOf(args, client);
    const timeoutMs = timeoutOf(args.values.timeout);
    for await (const { header, entries } of blocksIn(range, client, timeoutMs)) {
      for (const { transaction, outcome } of entries) {
        const read = readTransaction(transaction, nodeSha256);
        if (isFault(read) || !involves(involved, read, nodeSha256)) continue;
        const { sequence, timeMs } = header;
        const { body, id: name, publicKey } = read;
        const { code } = outcome;
        found.push({ sequence, timeMs, ...entryJson({ name, publicKey, code, body }) });
        lines.push(`${sequence}  ${timeText(timeMs)}  ${body.type}  ${code}  ${short(name)}`);
      }
    }
    const said = lines.length > 0 ? lines : ['no transaction of this account in these blocks'];
    return done({ account: toHex(id), ...range, entries: found }, ...said, ...more(range));
  });

const entryJson = (of: {
  readonly name: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly code: string;
  readonly body: object;
}) => ({
  ...{ id: toHex(of.name), publicKey: toHex(of.publicKey), code: of.code },
  body: plain(of.body),
});

export const blocks = (args: LedgerArgs): Promise<Report> =>
  withClient(args, async (client) => {
    if (args.values.out !== undefined) return transcript(args, client, args.values.out);
    const found: object[] = [];
    const lines: string[] = [];
    const range = await rangeOf(args, client);
    const timeoutMs = timeoutOf(args.values.timeout);
    for await (const { header, headerHash, entries } of blocksIn(range, client, timeoutMs)) {
      const { sequence, epoch, timeMs } = header;
      const codes = entries.map(({ outcome }) => ({ id: toHex(outcome.id), code: outcome.code }));
      found.push({ header: plain(header), headerHash: toHex(headerHash), entries: codes });
      lines.push(
        `${sequence}:${toHex(headerHash)}  epoch ${epoch}  ${timeText(timeMs)}  ${entries.length} transactions`,
      );
    }
    const said = lines.length > 0 ? lines : ['no block from there on yet'];
    return done({ ...range, blocks: found }, ...said, ...more(range));
  });

/** Written only once it has been verified as anybody else will. */
async function transcript(args: LedgerArgs, client: LedgerClient, out: string): Promise<Report> {
  const { values } = args;
  const fromSequence = Math.max(1, countOf(values.from ?? '1', '--from'));
  const head = await headOf(client);
  const most = values.count === undefined ? head : countOf(values.count, '--count');
  const count = Math.min(most, head - fromSequence + 1);
  if (count < 1) throw new FaultError('request/not-found', `there is no block ${fromSequence} yet`);
  const bytes = writeTranscript(await client.transcript({ fromSequence, count }));
  const { bytes: genesis } = await loadNetwork(values.genesis);
  const audit = { genesis, transcript: bytes, verify: serverVerifier(), sha256: nodeSha256 };
  const report = auditTranscript(audit);
  await writeFile(out, bytes);
  return done(
    { file: out, bytes: bytes.length, ...(plain(report) as object) },
    `${report.blocks} blocks, ${bytes.length} bytes: ${out}`,
  );
}

export const members = (args: LedgerArgs): Promise<Report> =>
  withClient(args, async (client) => {
    const read = await client.record('constitution', new Uint8Array(0));
    const { replicas: standing } = await client.status();
    const { record, sequence, isStale } = read;
    if (record === null) throw new FaultError('ledger/unproven', 'a ledger has a constitution');
    const text = new TextDecoder();
    const replicas = record.replicas.map((each) => ({
      ...{ operatorKey: toHex(each.operatorKey), voteKey: toHex(each.voteKey) },
      ...{ transportKey: toHex(each.transportKey), address: text.decode(each.address) },
    }));
    const { epoch, parameters, pending } = record;
    return done(
      {
        ...{ sequence, isStale, epoch: Number(epoch), replicas, parameters: plain(parameters) },
        ...{ pending: plain(pending), standing: plain(standing) },
      },
      `epoch ${epoch}, block ${sequence}${isStale ? ' (stale)' : ''}, ${pending.length} changes wait`,
      ...replicas.map((each) => `${each.address}  operator ${each.operatorKey.slice(0, 16)}`),
      ...standing.map(({ name, status }) =>
        status === null
          ? `${name}: does not answer`
          : `${name}: block ${status.executed}, view ${status.view}, hears ${status.peers}`,
      ),
    );
  });
