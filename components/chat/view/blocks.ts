/**
 * Cuts Markdown into pieces that can be rendered each by itself, so that a streaming answer renders
 * its last piece again and not the whole text. Cuts at blank lines outside fenced code, and not
 * before a line that may belong to what stands above (indented, or a list item).
 * The pieces laid end to end are the text. Link definitions reach only their own piece.
 */
export function splitBlocks(text: string): string[] {
  const blocks: string[] = [];
  let block = '';
  let fence: string | null = null;
  let blank = false;
  for (const line of linesOf(text)) {
    const startsNew = fence === null && blank && block !== '' && !CONTINUES.test(line);
    if (startsNew && line.trim() !== '') {
      blocks.push(block);
      block = '';
    }
    block += line;
    if (fence === null) fence = openingFence(line);
    else if (closesFence(line, fence)) fence = null;
    blank = line.trim() === '';
  }
  if (block !== '') blocks.push(block);
  return blocks;
}

const CONTINUES = /^(?:[ \t]|[-*+][ \t]|\d{1,9}[.)][ \t])/;

/** Lines with their line ends. */
const linesOf = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

const openingFence = (line: string): string | null =>
  /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/.exec(line.trimEnd())?.[1] ?? null;

function closesFence(line: string, fence: string): boolean {
  const run = /^ {0,3}(`+|~+)\s*$/.exec(line)?.[1];
  return run !== undefined && run.startsWith(fence);
}
