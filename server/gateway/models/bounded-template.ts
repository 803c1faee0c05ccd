import { createContext, Script } from 'node:vm';
import { FaultError } from '#lib/kernel/errors.ts';
import { compileTemplate, type ChatTemplate } from '#lib/shard/package/chat-template.ts';
import { GATEWAY } from '../limits.ts';

/**
 * A chat template of a package that a stranger may have made: one that loops, or grows, is stopped.
 * It can name nothing but what it is given (messages, begin and end token): the interpreter looks
 * names up in maps of its own, never in JavaScript's objects.
 *
 * The limit on time is V8's: it ends the interpreter wherever it is, so the thread lives on and the
 * next prompt is read. What a template builds and drops within that time is bounded by V8's longest
 * string (512 MB) and by the thread's heap.
 * @throws FaultError as `compileTemplate`; rendering `request/invalid`, also past a limit.
 */
export function boundedTemplate(source: string): ChatTemplate {
  const template = compileTemplate(source);
  return (input) => {
    const text = within(GATEWAY.templateMs, () => template(input));
    if (text.length <= GATEWAY.templateCharsMax) return text;
    const message = `the chat template makes more than ${GATEWAY.templateCharsMax} characters`;
    throw new FaultError('request/invalid', message);
  };
}

const call = new Script('run()');

/** The result of `run`, which is broken off after `ms`. */
function within(ms: number, run: () => string): string {
  try {
    return call.runInContext(createContext({ run }), { timeout: ms }) as string;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    const message = `the chat template takes more than ${ms} ms`;
    throw new FaultError('request/invalid', message, { cause: error });
  }
}
