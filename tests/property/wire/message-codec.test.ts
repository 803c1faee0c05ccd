import { GRAMMAR } from '#lib/webgpu/grammar/limits.ts';
import { GREEDY, NO_HISTORY } from '#lib/webgpu/sampling/params.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WIRE } from '#lib/shard/wire/limits.ts';
import {
  decodeNodeMessage,
  decodeServerMessage,
  encodeMessage,
  protocolOf,
} from '#lib/shard/wire/message-codec.ts';
import type { NodeMessage, ServerMessage } from '#lib/shard/wire/node-messages.ts';

const pong: NodeMessage = {
  type: 'pong',
  at: 12.5,
  progress: [{ session: 'ab'.repeat(16) as never, epoch: 1, place: 0, taken: 3, sent: 4 }],
};

describe('message codec', () => {
  it('a message comes back as it was', () => {
    const welcome: ServerMessage = { type: 'welcome', incarnation: 7, resumed: false };
    expect(decodeNodeMessage(encodeMessage(pong))).toEqual({ ok: true, message: pong });
    expect(decodeServerMessage(encodeMessage(welcome))).toEqual({ ok: true, message: welcome });
  });

  it('mutated text, foreign values and unknown members are refused and never throw', () => {
    const text = encodeMessage(pong);
    const mutated = fc
      .array(fc.tuple(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 3 })), {
        minLength: 1,
        maxLength: 4,
      })
      .map((changes) =>
        changes.reduce((all, [at, put]) => all.slice(0, at) + put + all.slice(at + 1), text),
      );
    fc.assert(
      fc.property(fc.oneof(mutated, fc.json(), fc.string(), fc.anything()), (input) => {
        const decoded = decodeNodeMessage(input);
        if (decoded.ok) expect(decodeNodeMessage(encodeMessage(decoded.message))).toEqual(decoded);
        decodeServerMessage(input);
        protocolOf(input);
      }),
      { numRuns: 2_000 },
    );
    const extra = JSON.stringify({ ...pong, extra: 1 });
    expect(decodeNodeMessage(extra)).toEqual({ ok: false, code: 'wire/malformed' });
  });

  it('is measured in UTF-8 bytes before it is parsed', () => {
    const padded = (char: string, count: number) => `{"type":"resume","x":"${char.repeat(count)}"}`;
    expect(decodeNodeMessage(`{"type":"resume"}${' '.repeat(WIRE.messageBytesMax)}`)).toEqual({
      ok: false,
      code: 'wire/too-large',
    });
    expect(decodeNodeMessage(padded('€', WIRE.messageBytesMax / 2))).toEqual({
      ok: false,
      code: 'wire/too-large',
    });
    expect(decodeNodeMessage(padded('€', WIRE.messageBytesMax / 4))).toEqual({
      ok: false,
      code: 'wire/malformed',
    });
  });

  it('[M2] another protocol version is known before its messages are', () => {
    expect(protocolOf('{"type":"hello","protocol":99,"anything":[]}')).toBe(99);
    for (const text of ['{"protocol":"1"}', '[]', 'null', '{', '{"protocol":1.5}']) {
      expect(protocolOf(text)).toBeNull();
    }
  });

  it('a prepare of the longest prompt and the largest schema fits, no larger one', () => {
    const ids = Array.from({ length: WIRE.promptIdsMax }, () => 1_048_576);
    const message: ServerMessage = {
      type: 'session',
      message: {
        type: 'prepare',
        session: 'ab'.repeat(16) as never,
        epoch: 1,
        resumeAt: 1,
        promptLength: 1,
        route: [
          {
            node: 'a'.repeat(64) as never,
            incarnation: 1,
            range: { first: 0, last: 1 },
            since: 1,
            path: 'direct',
          },
        ],
        ids,
        history: NO_HISTORY,
        grammar: 'x'.repeat(GRAMMAR.schemaCharsMax),
        manifest: 'b'.repeat(64),
        numerics: 'int16',
        wireDtype: 'f32',
        sampling: GREEDY,
        maxTokens: 1,
        eosIds: [],
        draftsMax: 8,
        chunkRows: 1,
      },
    };
    expect(decodeServerMessage(encodeMessage(message)).ok).toBe(true);
    const larger = encodeMessage(message).replace('"grammar":"', '"grammar":"x');
    expect(decodeServerMessage(larger).ok).toBe(false);
  });
});
