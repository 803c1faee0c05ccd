import type { Clock } from '#lib/kernel/ports.ts';
import type { Answers } from '#server/orchestrator/answers.ts';
import type { AnswerStore } from './answers/store.ts';
import type { LedgerDesk } from './doors/ledger/desk.ts';
import type { GatewayConfig } from './limits.ts';
import type { ModelDirectory } from './models/directory.ts';
import type { PrefixScopes } from './prefix-scopes.ts';

/** What every door has at hand. */
export interface GatewayParts {
  readonly answers: Answers;
  readonly models: ModelDirectory;
  readonly store: AnswerStore;
  readonly prefixes: PrefixScopes;
  /** Null: this server runs none. */
  readonly ledger: LedgerDesk | null;
  readonly clock: Clock;
  readonly config: GatewayConfig;
}
