'use client';
import { IconButton } from './button.tsx';
import { Icon } from './icons.tsx';
import { chooseTheme, theme, THEMES, type Theme } from './theme.ts';
import { useReadable } from './use-readable.ts';

const ICONS = { system: 'auto', light: 'sun', dark: 'moon' } as const;
const NAMES = { system: 'as the system', light: 'light', dark: 'dark' } as const;

/** Goes round: as the system, light, dark. */
export function ThemeToggle() {
  const current = useReadable<Theme>(theme, 'system');
  const next = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length] as Theme;
  return (
    <IconButton
      label={`Colours: ${NAMES[current]}. Change to: ${NAMES[next]}`}
      onClick={() => chooseTheme(next)}
    >
      <Icon name={ICONS[current]} />
    </IconButton>
  );
}
