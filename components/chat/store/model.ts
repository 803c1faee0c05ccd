import type { AskSettings, ChatTurn } from '../answer/request.ts';
import type { AnswerState } from '../answer/state.ts';
import { CHAT } from '../limits.ts';

/** What the chat page keeps. Instants are milliseconds since the epoch. */

export interface ChatSettings extends AskSettings {
  /** Null: the first that the server offers. */
  readonly model: string | null;
  readonly systemPrompt: string;
}

/** A small instruction model answers best when it hardly gambles (SmolLM2's card: 0.2). */
export const DEFAULT_SETTINGS: ChatSettings = {
  model: null,
  systemPrompt: '',
  temperature: 0.2,
  maxTokens: null,
};

export interface Conversation {
  readonly id: string;
  readonly title: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

interface MessageBase {
  readonly id: string;
  readonly conversationId: string;
  /** Order within the conversation, from 0. */
  readonly seq: number;
}
export interface UserMessage extends MessageBase {
  readonly role: 'user';
  readonly text: string;
}
export interface AnswerMessage extends MessageBase {
  readonly role: 'assistant';
  readonly answer: AnswerState;
  /** As they were when it was asked: an answer that goes on must go on with the same. */
  readonly settings: ChatSettings;
}
export type Message = UserMessage | AnswerMessage;

/** What the model reads: system prompt, then everything before message number `seq`. */
export function turnsBefore(
  messages: readonly Message[],
  seq: number,
  systemPrompt: string,
): ChatTurn[] {
  const system = systemPrompt.trim();
  const turns: ChatTurn[] = system === '' ? [] : [{ role: 'system', content: system }];
  for (const message of messages) {
    if (message.seq >= seq) break;
    const content = message.role === 'user' ? message.text : message.answer.text;
    if (content.trim() !== '') turns.push({ role: message.role, content });
  }
  return turns;
}

/** The first line of the first prompt, cut at a word. */
export function titleOf(prompt: string): string {
  const line = prompt.trim().split('\n', 1)[0]?.trim() ?? '';
  if (line.length <= CHAT.titleCharsMax) return line === '' ? 'New chat' : line;
  const cut = line.slice(0, CHAT.titleCharsMax);
  const space = cut.lastIndexOf(' ');
  return `${space > CHAT.titleCharsMax / 2 ? cut.slice(0, space) : cut} …`;
}
