import { Children, isValidElement, type ReactNode } from 'react';
import { CopyButton } from '#components/ui/copy-button.tsx';

/** Fenced code with its language and a button that copies it. */
export function CodeBlock({ children }: { children?: ReactNode }) {
  const { language, text } = readCode(children);
  return (
    <div className="overflow-hidden rounded-xl border border-line bg-sunken">
      <div className="flex items-center justify-between border-b border-line pl-4 text-sm text-soft">
        <span>{language}</span>
        <CopyButton text={text} label="Copy code" />
      </div>
      <pre
        tabIndex={0}
        aria-label={`Code, ${language}`}
        className="overflow-x-auto p-4 font-mono text-[0.87rem] leading-relaxed"
      >
        <code>{text}</code>
      </pre>
    </div>
  );
}

/** react-markdown gives `<code class="language-x">text</code>` as the one child of `pre`. */
function readCode(children: ReactNode): { language: string; text: string } {
  const code = Children.toArray(children)[0];
  if (!isValidElement<{ className?: string; children?: ReactNode }>(code)) {
    return { language: 'text', text: '' };
  }
  const { className = '', children: inner } = code.props;
  const text = Children.toArray(inner)
    .filter((part) => typeof part === 'string')
    .join('');
  return {
    language: /language-(\S+)/.exec(className)?.[1] ?? 'text',
    text: text.replace(/\n$/, ''),
  };
}
