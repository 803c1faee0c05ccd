import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { Markdown } from '#components/chat/view/markdown.tsx';

const html = (text: string): string => renderToStaticMarkup(createElement(Markdown, { text }));

describe('what a model writes', () => {
  it('[CH9] raw HTML stays text', () => {
    const out = html('<script>alert(1)</script> <img src=x onerror=alert(1)> <b>bold</b>');
    expect(out).not.toMatch(/<(script|img|b)\b/);
  });

  it('[CH9] a picture is named, not fetched', () => {
    const out = html('![a cat](https://evil.example/cat.png?who=me)');
    expect(out).not.toContain('evil.example');
    expect(out).toContain('[picture: a cat]');
  });

  it('[CH9] links open apart, and script addresses are no links', () => {
    expect(html('[x](https://example.org)')).toContain('rel="noopener noreferrer nofollow"');
    expect(html('[x](javascript:alert(1))')).not.toContain('javascript:');
    expect(html('[x](data:text/html,hi)')).not.toContain('data:text');
  });

  it('draws tables and code with the button that copies it', () => {
    expect(html('| a | b |\n| - | - |\n| 1 | 2 |')).toContain('<td>1</td>');
    const code = html('```js\nlet a = 1 < 2;\n```');
    expect(code).toContain('let a = 1 &lt; 2;');
    expect(code).toContain('aria-label="Copy code"');
    expect(code).toContain('js');
  });
});
