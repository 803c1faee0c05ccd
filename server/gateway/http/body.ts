import type { IncomingMessage } from 'node:http';
import { FaultError } from '#lib/kernel/errors.ts';

interface BodyLimits {
  readonly bodyBytesMax: number;
  readonly refusedBodyBytesMax: number;
}

/** `application/json`, with or without parameters; JSON is UTF-8 whatever they say (RFC 8259). */
const JSON_TYPE = /^application\/([a-z0-9.-]+\+)?json *(;|$)/i;

/**
 * The request's JSON. Size is checked before anything is parsed.
 * @throws FaultError `request/too-large`, `request/media-type`, `request/invalid`,
 *   `kernel/aborted` (hung up in between).
 */
export async function readJson(req: IncomingMessage, limits: BodyLimits): Promise<unknown> {
  const bytes = await readBody(req, limits);
  checkType(req);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FaultError('request/invalid', 'The body is not UTF-8.', { cause });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new FaultError('request/invalid', 'The body is not JSON.', { cause });
  }
}

/** One without a type is taken for what it should be. */
function checkType({ headers }: IncomingMessage): void {
  const type = headers['content-type'] ?? 'application/json';
  if (!JSON_TYPE.test(type)) {
    throw new FaultError('request/media-type', `Send application/json, not ${type.slice(0, 80)}.`);
  }
  const coding = headers['content-encoding'] ?? 'identity';
  if (coding !== 'identity') {
    throw new FaultError('request/media-type', `Send the body without content-encoding.`);
  }
}

/** The request's bytes. @throws FaultError `request/too-large`, `kernel/aborted` */
export function readBody(req: IncomingMessage, limits: BodyLimits): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    req.on('data', (part: Buffer) => {
      size += part.length;
      if (size <= limits.bodyBytesMax) {
        parts.push(part);
        return;
      }
      // Read on, keeping nothing: a sender in mid-body would see a reset instead of the refusal.
      parts.length = 0;
      const message = `The body is larger than ${limits.bodyBytesMax} bytes.`;
      reject(new FaultError('request/too-large', message));
      if (size > limits.refusedBodyBytesMax) req.destroy();
    });
    req.on('end', () => resolve(Buffer.concat(parts)));
    req.on('error', (cause) => reject(brokenOff(cause)));
    req.on('close', () => reject(brokenOff()));
  });
}

const brokenOff = (cause?: Error): FaultError =>
  new FaultError('kernel/aborted', 'the request broke off', { cause });
