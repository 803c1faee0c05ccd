import type { Brand } from './units.ts';

/** A node's Ed25519 public key, 64 lower-case hex digits. A node is a tab or a process (M1). */
export type NodeId = Brand<string, 'NodeId'>;
/** A profile's Ed25519 public key, 64 lower-case hex digits. One identity owns many nodes. */
export type IdentityId = Brand<string, 'IdentityId'>;
/** 16 random bytes as 32 lower-case hex digits; never used again (S10). */
export type SessionId = Brand<string, 'SessionId'>;
/** SHA-256 of a manifest's canonical bytes, 64 lower-case hex digits: the model's identity. */
export type ManifestHash = Brand<string, 'ManifestHash'>;
/** SHA-256 of a chunk's bytes, 64 lower-case hex digits. */
export type ChunkHash = Brand<string, 'ChunkHash'>;
/** A model's public name, as in `model` of the API: `smollm2-135m-instruct`. */
export type ModelId = Brand<string, 'ModelId'>;

/** Counts a route's changes within one session, from 1 (S2). */
export type Epoch = number;
/** Index of a place in a route, from 0: stage 0 embeds, the last place samples. */
export type Place = number;

export const HEX_32 = /^[0-9a-f]{32}$/;
export const HEX_64 = /^[0-9a-f]{64}$/;
export const MODEL_ID = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export const isNodeId = (text: string): text is NodeId => HEX_64.test(text);
export const isSessionId = (text: string): text is SessionId => HEX_32.test(text);
