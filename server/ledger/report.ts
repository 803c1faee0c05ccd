/** What a command prints: lines for people, or one JSON value with `--json`. */
export interface Report {
  readonly lines: readonly string[];
  readonly json: unknown;
  readonly exitCode: number;
}

export const EXIT = { ok: 0, fault: 1, usage: 2 } as const;

export const done = (json: unknown, ...lines: readonly string[]): Report => ({
  lines,
  json,
  exitCode: EXIT.ok,
});
