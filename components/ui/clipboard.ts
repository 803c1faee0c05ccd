/** Puts `text` on the clipboard; false where the browser forbids it, as over plain http (M8). */
export async function writeClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
