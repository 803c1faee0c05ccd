'use client';
import { memo, type ComponentProps } from 'react';
import ReactMarkdown, { type Components } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { splitBlocks } from './blocks.ts';
import { CodeBlock } from './code-block.tsx';

/**
 * What a model writes is a stranger's text: raw HTML stays text, a link tells its target nothing of
 * us, and a picture is named instead of fetched (its address would tell who reads this).
 */
const components: Components = {
  a: ({ href, children }) => (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  ),
  img: ({ alt }) => (
    <span className="text-soft">[picture: {alt === '' ? 'without words' : alt}]</span>
  ),
  pre: ({ children }) => <CodeBlock>{children}</CodeBlock>,
  table: (props) => <Table {...props} />,
};
const plugins = [remarkGfm];

/** One piece; drawn again only when its own text changes. */
const Block = memo(function Block({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={plugins} components={components}>
      {text}
    </ReactMarkdown>
  );
});

export function Markdown({ text }: { text: string }) {
  return (
    <div className="prose min-w-0" data-text>
      {splitBlocks(text).map((block, index) => (
        // Pieces only ever grow at the end: their place is their identity.
        <div key={index} className="prose min-w-0">
          <Block text={block} />
        </div>
      ))}
    </div>
  );
}

/** A wide table scrolls by itself; the page never does. */
function Table({ children }: ComponentProps<'table'>) {
  return (
    <div className="overflow-x-auto" tabIndex={0} role="region" aria-label="Table">
      <table>{children}</table>
    </div>
  );
}
