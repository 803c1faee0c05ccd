import { createCell, type Readable } from './cell.ts';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'declai-theme';

/** Runs before the first paint (inlined by the layout), so that a page never flashes. */
export const THEME_SCRIPT = `try{var t=localStorage.getItem('${KEY}');if(t==='light'||t==='dark')document.documentElement.dataset.theme=t}catch{}`;

const cell = createCell<Theme>(stored());

/** The chosen theme of this browser. */
export const theme: Readable<Theme> = cell;

export function chooseTheme(choice: Theme): void {
  const root = document.documentElement;
  if (choice === 'system') delete root.dataset['theme'];
  else root.dataset['theme'] = choice;
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // Storage is forbidden in this browser: the choice still holds for this page.
  }
  cell.set(choice);
}

/** 'system' where storage is forbidden, and on the server, which has none. */
function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return THEMES.find((candidate) => candidate === value) ?? 'system';
  } catch {
    return 'system';
  }
}
