import { utf8 } from '#lib/kernel/bytes.ts';
import type { Genesis } from '#lib/ledger/account/genesis.ts';
import type { KeyRing } from './keys.ts';
import type { Scenario } from './scenario.ts';

/** 2026-01-01: wall clocks of a run begin here. */
export const START_MS = 1_767_225_600_000;
export const GATEWAY = 'gateway';

export const operatorOf = (index: number): string => `operator ${index}`;
export const firstKeyOf = (operator: string): string => `vote of ${operator}`;

/** A replica's keys by name: the vote key is the only one that changes. */
export const replicaOf = (keys: KeyRing, operator: string, keyName: string) => ({
  operatorKey: keys.signer(operator).publicKey,
  voteKey: keys.signer(keyName).publicKey,
  transportKey: keys.signer(`transport of ${operator} ${keyName}`).publicKey,
});

export function genesisOf(keys: KeyRing, scenario: Scenario): Genesis {
  return {
    name: utf8('simulated'),
    timeMs: BigInt(START_MS),
    replicas: Array.from({ length: scenario.n }, (_, i) => ({
      ...replicaOf(keys, operatorOf(i), firstKeyOf(operatorOf(i))),
      address: utf8(`host-${i}:1`),
    })),
    gateways: [
      {
        publicKey: keys.signer(GATEWAY).publicKey,
        grantsPerDay: 10_000n,
        grantMicroMax: 1_000_000n,
        subsidyPerDayMicro: 5_000n,
      },
    ],
    parameters: parametersOf(scenario),
  };
}

export const parametersOf = ({
  timeoutMs,
  batchMax,
}: Pick<Scenario, 'timeoutMs' | 'batchMax'>) => ({
  burnPpm: 10_000n,
  microPerTeraflop: 1_000_000n,
  holdMicroMin: 10n,
  priorityMicro: 50_000n,
  checkpointInterval: 8n,
  window: 8n,
  logWindow: 16n,
  viewTimeoutMs: BigInt(timeoutMs),
  batchMax: BigInt(batchMax),
});
