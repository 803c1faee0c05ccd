import { toHex } from '#lib/kernel/bytes.ts';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { accountId } from '#lib/ledger/account/accounts.ts';
import { auditTranscript } from '#lib/ledger/client/audit.ts';
import { isMisconduct, judgeEvidence, judgeMisconduct } from '#lib/ledger/client/audit-evidence.ts';
import { nodeSha256, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { checkFolder, isReplicaFolder } from '#lib/ledger/store/fsck.ts';
import { collected, readBounded, reasonOf } from './files.ts';
import { makeNetwork } from '../replica/genesis.ts';
import { hostAt } from '../replica/network-plan.ts';
import { hexOf, invalid, type LedgerArgs } from './args.ts';
import { addressesOf, loadNetwork } from './connect.ts';
import { loadKey, makeKey } from './keys.ts';
import { done, EXIT, type Report } from './report.ts';
import { plain, timeText } from './text.ts';

/** A transcript or evidence is read whole. */
const FILE_BYTES_MAX = 1024 ** 3;
const FETCH_MS = 30_000;

export async function keygen({ values }: LedgerArgs): Promise<Report> {
  const file = values.out ?? values.key;
  if (file === undefined || (values.out !== undefined && values.key !== undefined)) {
    throw invalid('keygen needs --out FILE for a new key, or --key FILE of one that there is');
  }
  const { publicKey } = await (values.out === undefined ? loadKey(file) : makeKey(file));
  const account = toHex(accountId(publicKey, nodeSha256));
  return done(
    { file, publicKey: toHex(publicKey), account },
    `key      ${toHex(publicKey)}`,
    `account  ${account}`,
    `secret   ${file}`,
  );
}

export async function genesis({ values }: LedgerArgs): Promise<Report> {
  const { replicas, out, name, gateway } = values;
  if (replicas === undefined || out === undefined) {
    throw invalid('genesis needs --replicas HOST:PORT,… and --out DIR');
  }
  const hosts = addressesOf(replicas).map(hostAt);
  const keys = gateway === undefined ? [] : gateway.split(',');
  const gateways = keys.map((key) => ({
    ...{ publicKey: hexOf(key.trim(), 32, 'a key'), ...GATEWAY_TERMS },
  }));
  const network = await makeNetwork(out, { name, hosts, gateways, timeMs: Date.now() });
  const { genesisFile, folders, operatorFiles } = network;
  const chain = toHex(network.chain);
  return done(
    { chain, genesisFile, folders, operatorFiles },
    `chain ${chain}`,
    `genesis ${genesisFile}: everybody has it`,
    ...folders.map(
      (folder) =>
        `replica ${folder}: to its host, then npm run replica -- --config ${folder}/replica.json`,
    ),
    ...operatorFiles.map((file) => `operator ${file}: to its operator, away from the replicas`),
  );
}

/** What a gateway of a new network may do a day; its operators change it. */
const GATEWAY_TERMS = {
  grantsPerDay: 10_000n,
  grantMicroMax: 100_000_000n,
  subsidyPerDayMicro: 1_000_000_000n,
} as const;

export async function fsck({ operands, values }: LedgerArgs): Promise<Report> {
  const [folder = ''] = operands;
  if (!(await isReplicaFolder(folder))) {
    const where = "a replica's data lies in the folder that its replica.json names";
    throw new FaultError('server/config', `nothing of a replica is in ${folder}: ${where}`);
  }
  const report = await checkFolder(folder, { sha256: nodeSha256, repair: values.repair === true });
  const open = report.findings.filter(({ isRepaired }) => !isRepaired);
  return {
    lines: [
      `chain ${report.chain ?? 'unknown'}`,
      ...report.keys.map(
        ({ key, records, signs }) =>
          `key ${key.slice(0, 16)}: ${records} records, ${signs ? 'signs' : 'signs never again'}`,
      ),
      ...report.findings.map(
        ({ code, where, what, kind, cure, isRepaired }) =>
          `${code} ${where}: ${what} (${isRepaired ? 'repaired' : kind}): ${cure}`,
      ),
      open.length === 0 ? 'nothing is wrong' : `${open.length} findings`,
    ],
    json: report,
    exitCode: open.length === 0 ? EXIT.ok : EXIT.fault,
  };
}

export async function verify({ values }: LedgerArgs): Promise<Report> {
  if (values.from === undefined) throw invalid('verify needs --from FILE or URL');
  const { bytes, chain } = await loadNetwork(values.genesis);
  const transcript = await bytesOf(values.from);
  const report = auditTranscript({
    ...{ genesis: bytes, transcript, verify: serverVerifier(), sha256: nodeSha256 },
  });
  const { head, epoch, blocks, transactions, records, absent, outcomes } = report;
  return done(
    { verified: true, ...(plain(report) as object) },
    `chain ${toHex(chain)}, epoch ${epoch}`,
    `${blocks} blocks with ${transactions} transactions, ${records} records (${absent} absent), ${outcomes} outcomes: all hold`,
    `newest ${head.sequence}:${toHex(head.headerHash)}, ${timeText(head.timeMs)}`,
  );
}

/** A file of two certificates, or of one replica that signed twice. */
export async function judgeFile(args: LedgerArgs, file: string): Promise<Report> {
  const { bytes: genesis } = await loadNetwork(args.values.genesis);
  const exhibit = { genesis, evidence: await bytesOf(file), verify: serverVerifier() };
  if (isMisconduct(exhibit.evidence)) {
    const report = judgeMisconduct({ ...exhibit, sha256: nodeSha256 });
    const { epoch, replica, kind } = report;
    return done(
      { convicts: true, ...report },
      `replica ${replica} of epoch ${epoch} signed two messages (${kind}) for one place`,
    );
  }
  const { first, second, both } = judgeEvidence({ ...exhibit, sha256: nodeSha256 });
  return done(
    { convicts: true, first: plain(first), second: plain(second), both },
    'two certificates that no chain holds both:',
    `${first.sequence}:${toHex(first.headerHash)} of epoch ${first.epoch}`,
    `${second.sequence}:${toHex(second.headerHash)} of epoch ${second.epoch}`,
    both.length > 0 ? `signed both: replicas ${both.join(', ')}` : 'of different places',
  );
}

/** @throws FaultError server/config, package/fetch-failed, wire/too-large */
const bytesOf = (from: string): Promise<Uint8Array> =>
  /^https?:\/\//.test(from) ? fetched(from) : readBounded(from, FILE_BYTES_MAX);

async function fetched(url: string): Promise<Uint8Array> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS) });
    if (!response.ok) {
      throw new FaultError('package/fetch-failed', `${url} answers with status ${response.status}`);
    }
    if (response.body === null) return new Uint8Array(0);
    return await collected(response.body, { name: url, bytesMax: FILE_BYTES_MAX });
  } catch (error) {
    if (isFault(error)) throw error;
    const why = reasonOf(error);
    throw new FaultError('package/fetch-failed', `cannot fetch ${url}: ${why}`, { cause: error });
  }
}
