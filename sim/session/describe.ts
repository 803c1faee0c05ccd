import type { Frame } from '#lib/shard/wire/frame.ts';
import type { OwnerMessage, StageMessage } from '#lib/shard/wire/session-messages.ts';
import type { StageInput } from '#lib/shard/stage/types.ts';

/** One line of a trace for whatever travels or happens. */
export function describe(input: StageInput): string {
  switch (input.type) {
    case 'message':
      return describeOrder(input.message);
    case 'frames':
      return `${input.frames.map(describeFrame).join(', ')} from n${parseInt(input.from.slice(-4), 16)}`;
    case 'link-open':
    case 'link-closed':
      return `${input.type} n${parseInt(input.peer.slice(-4), 16)}`;
    case 'grammar-ready':
    case 'grammar-failed':
      return `${input.type} s${parseInt(input.session, 16)}`;
    case 'run-done':
    case 'run-failed':
      return `${input.type} ${input.run}`;
    case 'shard-ready':
    case 'shard-failed':
    case 'shard-gone':
      return `${input.type} ${input.shard.slice(-5)}`;
    case 'kv-shared':
      return `${input.type} ${name(input.session)} e${input.epoch} ${input.shard.slice(-5)} ${input.length}`;
    case 'socket-back':
    case 'pause':
    case 'resume':
    case 'turn':
    case 'tick':
      return input.type;
  }
}

/** A number for the trace of a run that keeps no lines: equal where the line would be. */
export function markOf(input: StageInput): number {
  switch (input.type) {
    case 'message':
      return 'epoch' in input.message ? input.message.epoch + input.message.type.length * 997 : 7;
    case 'frames':
      return input.frames.reduce((mark, frame) => mark * 31 + markOfFrame(frame), 1) | 0;
    case 'run-done':
    case 'run-failed':
      return input.run * 8191;
    case 'kv-shared':
      return input.epoch * 64 + input.length;
    case 'link-open':
    case 'link-closed':
    case 'shard-ready':
    case 'shard-failed':
    case 'shard-gone':
    case 'grammar-ready':
    case 'grammar-failed':
    case 'socket-back':
    case 'pause':
    case 'resume':
    case 'turn':
    case 'tick':
      return input.type.length;
  }
}

function markOfFrame(frame: Frame): number {
  const head = frame.epoch * 4096 + frame.place * 64;
  switch (frame.type) {
    case 'rows':
      return head + frame.seq * 7 + (frame.data[0] ?? 0);
    case 'token':
      return head + frame.seq * 7 + frame.id + frame.drafts.length * 131;
    case 'chunk-ack':
      return head + frame.taken;
  }
}

const name = (session: string): string => `s${parseInt(session, 16)}`;

export function describeFrame(frame: Frame): string {
  const head = `${frame.type} ${name(frame.session)} e${frame.epoch} p${frame.place}`;
  switch (frame.type) {
    case 'rows':
      return `${head} seq ${frame.seq} @${frame.firstPosition}+${frame.rows}`;
    case 'token':
      return `${head} seq ${frame.seq} @${frame.position} id ${[frame.id, ...frame.drafts].join()}`;
    case 'chunk-ack':
      return `${head} taken ${frame.taken}`;
  }
}

export function describeOrder(message: OwnerMessage): string {
  const head = `${message.type} ${name(message.session)}`;
  switch (message.type) {
    case 'prepare': {
      const places = message.route.map(
        ({ node, range, since, path }) =>
          `n${parseInt(node.slice(-4), 16)}:${range.first}-${range.last}/${since}${path === 'relay' ? 'r' : ''}`,
      );
      return `${head} e${message.epoch} L${message.resumeAt} ${places.join(' ')}`;
    }
    case 'fill':
      return `${head} e${message.epoch} ${message.starts.join(',')}`;
    case 'handover':
      return `${head} e${message.epoch} @${message.position} id ${message.id}`;
    case 'ack':
      return `${head} e${message.epoch} ${message.accepted}`;
    case 'keepalive':
    case 'release':
      return `${head} e${message.epoch}`;
    case 'end':
      return message.pages ? `${head} +${message.pages.digests.length} pages` : head;
  }
}

export function describeWord(message: StageMessage): string {
  if (message.type === 'resync') {
    return `resync ${message.sessions.map(({ session, epoch }) => `${name(session)}/e${epoch}`).join(' ')}`;
  }
  const head = `${message.type} ${name(message.session)} e${message.epoch}`;
  switch (message.type) {
    case 'prepared':
      return head;
    case 'report':
      return `${head} p${message.place} kv ${message.kvLength} kept ${message.keptFrom}`;
    case 'fault':
      return `${head} p${message.place} ${message.why}`;
    case 'room':
      return `${head} p${message.place}`;
    case 'token':
      return `${head} p${message.place} #${message.index} id ${message.id}${message.last ? ' last' : ''}`;
  }
}
