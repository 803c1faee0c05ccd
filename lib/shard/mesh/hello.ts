import { digestJson } from '#lib/kernel/digest.ts';
import type { IdentityId } from '#lib/kernel/ids.ts';
import type { NodeMessage, NodeProfile } from '#lib/shard/wire/node-messages.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { signParts, verifyCertificate, verifyParts, type NodeKeys } from './identity.ts';

export type Hello = Extract<NodeMessage, { type: 'hello' }>;

/** What a challenge fixes: the server it came from and its nonce, used once (M2). */
export interface Challenged {
  readonly origin: string;
  readonly nonce: string;
}

export interface HelloFacts {
  readonly profile: NodeProfile;
  readonly resume: number | null;
}

export function makeHello(keys: NodeKeys, challenged: Challenged, facts: HelloFacts): Hello {
  const unsigned = {
    type: 'hello',
    protocol: WIRE.protocolVersion,
    node: keys.node.id,
    identity: keys.identity,
    certificate: keys.certificate,
    nonce: challenged.nonce,
    ...facts,
  } as const;
  return { ...unsigned, signature: signParts(keys.node, helloParts(unsigned, challenged.origin)) };
}

/** Why a hello is refused; null where it is the node's own, fresh and meant for this server. */
export function refuseHello(hello: Hello, challenged: Challenged): string | null {
  if (hello.nonce !== challenged.nonce) return 'the hello answers another challenge';
  if (!verifyCertificate(hello.identity as IdentityId, hello.node, hello.certificate)) {
    return 'the identity did not certify this node';
  }
  const parts = helloParts(hello, challenged.origin);
  return verifyParts(hello.node, parts, hello.signature) ? null : 'the hello’s signature is wrong';
}

const helloParts = (hello: Omit<Hello, 'signature'>, origin: string): (string | number)[] => [
  'declai/hello/1',
  origin,
  hello.nonce,
  hello.protocol,
  hello.node,
  digestJson(hello.profile),
];
