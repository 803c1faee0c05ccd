import { describe, expect, it } from 'vitest';
import type { NodeId } from '#lib/kernel/ids.ts';
import { keyPairFromSeed } from '#lib/shard/mesh/identity.ts';
import { bindingOf, signBinding, verifyBinding } from '#lib/shard/mesh/link-binding.ts';
import { openSignal, signSignal } from '#lib/shard/mesh/signed-signal.ts';

const PRINT = Array.from({ length: 32 }, (_, i) => (i + 160).toString(16).toUpperCase()).join(':');
const OTHER = PRINT.replace('A0', 'B0');
const line = (print: string) => `a=fingerprint:sha-256 ${print}`;

const sdp = (...changes: readonly (readonly [string, string])[]): string => {
  const text = [
    'v=0',
    'o=- 1 2 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    'c=IN IP4 0.0.0.0',
    'a=ice-ufrag:2uE2',
    'a=ice-pwd:MqASChrojulHU4Jg7UYGVI8H',
    line(PRINT),
    'a=setup:actpass',
    'a=mid:0',
    '',
  ].join('\r\n');
  return changes.reduce((all, [from, to]) => all.replace(from, to), text);
};

const pair = (fill: number) => keyPairFromSeed<NodeId>(new Uint8Array(32).fill(fill));
const [alice, bob, eve] = [pair(1), pair(2), pair(3)];
const ends = { link: 'ab'.repeat(16), from: alice.id, to: bob.id };

describe('[M3] the binding of an SDP', () => {
  it('is its one fingerprint, in upper case, and its ufrag', () => {
    expect(bindingOf(sdp())).toEqual({ fingerprint: PRINT, ufrag: '2uE2' });
    expect(bindingOf(sdp([PRINT, PRINT.toLowerCase()]))?.fingerprint).toBe(PRINT);
    expect(bindingOf(sdp().replaceAll('\r\n', '\n'))?.ufrag).toBe('2uE2');
  });

  it.each([
    ['no fingerprint', sdp([`${line(PRINT)}\r\n`, ''])],
    ['two fingerprints', sdp([line(PRINT), `${line(PRINT)}\r\n${line(OTHER)}`])],
    ['the same one twice', sdp([line(PRINT), `${line(PRINT)}\r\n${line(PRINT)}`])],
    ['one of a session and one of a media section', sdp(['t=0 0', `t=0 0\r\n${line(OTHER)}`])],
    ['a second one in another case', sdp(['s=-', `s=-\r\nA=FINGERPRINT:sha-256 ${OTHER}`])],
    ['a second one after a bare carriage return', sdp(['s=-', `s=-\r${line(OTHER)}`])],
    ['a second one after a line separator', sdp(['s=-', `s=-\u2028${line(OTHER)}`])],
    ['a second one after a NUL', sdp(['s=-', `s=-\0${line(OTHER)}`])],
    ['a weak hash', sdp(['sha-256', 'sha-1'])],
    ['a short fingerprint', sdp([PRINT, PRINT.slice(3)])],
    ['something after the fingerprint', sdp([PRINT, `${PRINT} x`])],
    ['a leading blank', sdp([line(PRINT), ` ${line(PRINT)}`])],
    ['no ufrag', sdp(['a=ice-ufrag:2uE2\r\n', ''])],
    ['two ufrags', sdp(['a=mid:0', 'a=mid:0\r\na=ice-ufrag:zzzz'])],
    ['two media sections', sdp(['a=mid:0', 'a=mid:0\r\nm=audio 9 RTP/SAVPF 0'])],
    ['no line end', sdp().trimEnd()],
    ['nothing', ''],
  ])('%s: refused', (_, text) => {
    expect(bindingOf(text)).toBeNull();
  });

  it('is signed for one link, one sender and one receiver', () => {
    const binding = bindingOf(sdp());
    if (!binding) throw new Error('no binding');
    const signature = signBinding(alice, ends, binding);
    expect(verifyBinding(ends, binding, signature)).toBe(true);
    expect(verifyBinding({ ...ends, link: 'cd'.repeat(16) }, binding, signature)).toBe(false);
    expect(verifyBinding({ ...ends, to: eve.id }, binding, signature)).toBe(false);
    expect(verifyBinding({ ...ends, from: eve.id }, binding, signature)).toBe(false);
    expect(verifyBinding(ends, { ...binding, fingerprint: OTHER }, signature)).toBe(false);
    expect(verifyBinding(ends, { ...binding, ufrag: 'abcd' }, signature)).toBe(false);
    expect(verifyBinding(ends, binding, 'zz')).toBe(false);
  });
});

describe('[M3] a signal', () => {
  const signed = signSignal(alice, ends, { type: 'offer', sdp: sdp() });

  it('opens for whom it was signed', () => {
    expect(openSignal(ends, signed)).toEqual({ ok: true, payload: { type: 'offer', sdp: sdp() } });
  });

  it.each([
    ['a certificate swapped on the way', { ...signed, text: signed.text.replace(PRINT, OTHER) }],
    ['no signature', { ...signed, signature: null }],
    ['another node’s signature', signSignal(eve, ends, { type: 'offer', sdp: sdp() })],
  ])('%s: refused', (_, forged) => {
    expect(openSignal(ends, forged)).toEqual({ ok: false, code: 'mesh/bad-signature' });
  });

  it.each(['', '{', 'null', '{"type":"offer"}', '{"type":"renegotiate","renegotiate":true}'])(
    'text %j is no signal',
    (text) => {
      expect(openSignal(ends, { text, signature: null })).toEqual({
        ok: false,
        code: 'wire/malformed',
      });
    },
  );
});
