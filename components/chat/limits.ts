/** Bounds of the chat page. */
export const CHAT = {
  /** How long the gateway keeps an answer whose reader went away: a reload takes a few seconds. */
  resumableSeconds: 30,
  /** One event holds one chunk: JSON of a few tokens with their route. */
  eventCharsMax: 262_144,
  /** The gateway breaks silence every 8 s: a connection that is silent for so long is gone. */
  silenceMsMax: 30_000,
  /** Connections of one answer that broke in a row without a token in between. */
  reconnectsMax: 6,
  reconnectFirstDelayMs: 300,
  reconnectDelayMsMax: 8_000,
  /** Text, index and ids are written to dexie at most this often while they stream. */
  saveEveryMs: 250,
  /** A prompt is asked for when it is kept, or so long after it was written. */
  keptMsMax: 1_000,
  promptCharsMax: 100_000,
  titleCharsMax: 60,
  systemPromptCharsMax: 4_000,
  answerTokensMax: 65_536,
} as const;
