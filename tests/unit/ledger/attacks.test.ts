import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

/** Where the tests are, and by which words of its title each is found. */
const NORMAL = 'unit/ledger/pbft/normal-case';
const CODEC = 'unit/ledger/pbft/codec';
const VIEWS = 'unit/ledger/pbft/view-change';
const BOUNDS = 'unit/ledger/pbft/evidence-bounds';
const RECOVERY = 'unit/ledger/pbft/recovery';
const EPOCHS = 'unit/ledger/pbft/epochs';
const ATTACKS = 'unit/ledger/pbft/attacks';
const LEFT = 'unit/ledger/pbft/left-view';
const CREDITS = 'unit/ledger/credits';
const NONCES = 'unit/ledger/nonces';
const CLIENT = 'unit/ledger/client/client';
const LIGHT = 'unit/ledger/client/light';
const CAMPAIGN = 'sim/ledger';

/** Every attack that the ledger's design names, and the test that makes it. */
const TESTS: readonly (readonly [attack: string, file: string, title: string])[] = [
  ['PRE-PREPARE from a non-primary, or for another view', NORMAL, '[R5] a proposal of another'],
  ['two PRE-PREPAREs for one (v, n)', BOUNDS, '[R23] two proposals, votes or SEALs'],
  ['split halves', BOUNDS, '[R23] halves are told different batches'],
  ['split halves plus a double voter', ATTACKS, '[R23] split halves and a double voter'],
  ['votes with another digest: PREPARE', NORMAL, '[R6] the primary’s own PREPARE'],
  ['votes with another digest: COMMIT', ATTACKS, '[R7] COMMITs for another batch'],
  ['COMMITs of different views', LEFT, '[R26] q COMMITs of one view below'],
  ['the same sender three times', NORMAL, '[R7] q − 1 COMMITs commit nothing'],
  ['the primary’s own PREPARE counted', NORMAL, '[R6] the primary’s own PREPARE'],
  ['bad signature, envelope ≠ signer, non-member', ATTACKS, '[R4] a bad signature'],
  ['PREPARE bytes replayed as COMMIT; another chain', CODEC, '[R3] a vote of one type'],
  ['another epoch', EPOCHS, '[R22] votes of the old epoch'],
  ['digest ≠ body', NORMAL, '[R5] a proposal of another'],
  ['one invalid transaction in a batch', NORMAL, '[R5] one bad request'],
  [
    'COMMIT before PRE-PREPARE; later slots committed first',
    NORMAL,
    '[R7] COMMITs before the slot',
  ],
  ['n = 4 … 10', CODEC, '[R1] two quorums share a correct replica'],
  ['n = 4 … 10, each in a share of the seeds', CAMPAIGN, 'no promise broken'],
  ['every byte of every message mutated', CODEC, '[R2] every message comes back'],
  ['non-canonical encodings', CODEC, '[R2] a number of 2⁵³'],
  ['malleated signatures', 'golden/ledger/ed25519', '[C1] node:crypto follows the rule'],
  ['outside h..h+L', BOUNDS, '[R24] a flood of votes far from the window'],
  ['a sequence of 2⁵³ − 1', ATTACKS, '[R4] a bad signature'],
  ['mixed-digest checkpoints', NORMAL, '[R9] the log is cut at q equal SEALs'],
  ['own digest in the minority', RECOVERY, '[R9] a replica whose own block is in the minority'],
  ['late messages below h', NORMAL, '[R9] votes below the stable checkpoint'],
  ['far-future views from one peer', ATTACKS, '[R14] views far ahead of one peer'],
  ['f VCs stay, f+1 join', VIEWS, '[R14] f VIEW-CHANGEs move nobody'],
  ['replayed old quorum', ATTACKS, '[R14] an old quorum that is replayed'],
  ['VC or NV altered after hashing', ATTACKS, '[R16] a VIEW-CHANGE or NEW-VIEW that was altered'],
  ['forged certificates', VIEWS, '[R15] a VIEW-CHANGE with a certificate'],
  ['committed at one replica only, then the primary dies', VIEWS, '[R16] committed at one'],
  ['two certificates for n; gaps', VIEWS, '[R16] of two certificates'],
  ['NEW-VIEW that omits or alters; fewer than q', VIEWS, '[R16] a NEW-VIEW that omits'],
  ['a new primary that lacks a body', VIEWS, '[R17] a new primary that lacks the batch'],
  ['f dead primaries in a row', VIEWS, '[R13] f dead primaries in a row'],
  ['an amnesiac whose old VIEW-CHANGE is replayed', ATTACKS, '[R19] the old VIEW-CHANGE'],
  ['a primary that delays to 0.9 T', VIEWS, '[R12] a primary that delays'],
  ['… that censors a client', VIEWS, '[R12] executing others does not save'],
  ['… that freezes, races or turns back time', ATTACKS, '[R21] a primary whose clock freezes'],
  ['a signature valid for some only', ATTACKS, '[R20] a request that one replica alone'],
  ['a partitioned replica that spams VCs', VIEWS, '[R14] a cut-off replica that leaves'],
  ['the same nonce ten times over a view change', ATTACKS, '[R8] the same request ten times'],
  ['the same nonce again', NONCES, '[A2] another transaction with a used nonce'],
  ['f forged replies', CLIENT, '[L10] f liars change nothing'],
  ['two HOLDs on one balance', CREDITS, '[A4] one balance pays one of two holds'],
  ['CAPTURE replayed', CREDITS, '[A5] one capture closes a hold'],
  ['VOID replayed', CREDITS, '[A5] a voided hold is closed'],
  ['raced with expiry', CREDITS, '[A5] a hold is expired from its instant on'],
  ['10⁵ fresh keys', 'unit/ledger/application', '[P4] 10⁵ fresh keys'],
  ['the stale fast read', CLIENT, '[L12] reads never go behind'],
  ['a fork signed by q leaked old keys', LIGHT, '[L6] no lie of a server about an account'],
  ['crash at every persist barrier', RECOVERY, '[R18] all crash at any moment'],
  ['… of the log on a real disk', 'property/ledger/log-power-cut', '[B3] the power cut before any'],
  ['crash in every view-change step', ATTACKS, '[R18] a crash at any step of a view change'],
  ['membership across a view change', EPOCHS, '[R22] a view change at the end of an epoch'],
  ['key rotation across a view change', ATTACKS, '[R22] a vote key is rotated'],
  ['Twins, ByzzFuzz, loss, cuts, skew', CAMPAIGN, 'no promise broken'],
];

test('each attack of the design has its test', async () => {
  const files = new Map<string, string>();
  for (const [, file] of TESTS)
    files.set(file, await readFile(`tests/${file}.test.ts`, 'utf8').catch(() => ''));
  const missing = TESTS.filter(([, file, title]) => !files.get(file)?.includes(title));
  expect(missing).toEqual([]);
});
