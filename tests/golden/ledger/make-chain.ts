import { writeFileSync } from 'node:fs';
import { goldenPath } from '#tests/support/golden.ts';
import { goldenChain } from './chain.ts';

/** `node scripts/ts.mjs tests/golden/ledger/make-chain.ts` writes the chain anew. */
const { genesis, transcript } = goldenChain();
writeFileSync(goldenPath('ledger/genesis.cbor'), genesis);
writeFileSync(goldenPath('ledger/chain.transcript'), transcript);
