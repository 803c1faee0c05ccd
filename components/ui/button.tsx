import type { ComponentProps } from 'react';
import { classes } from './classes.ts';

const LOOKS = {
  primary: 'bg-accent text-accent-ink hover:brightness-110',
  plain: 'border border-line bg-raised text-ink hover:bg-sunken',
  quiet: 'text-soft hover:bg-sunken hover:text-ink',
  danger: 'border border-line bg-raised text-bad hover:bg-bad-wash',
} as const;
type Look = keyof typeof LOOKS;

const SHAPE =
  'inline-flex shrink-0 items-center justify-center gap-2 rounded-xl font-medium transition-colors disabled:opacity-45';

/** A button with words, at least 44 px high. */
export function Button({
  look = 'plain',
  className,
  ...rest
}: ComponentProps<'button'> & { look?: Look }) {
  return (
    <button
      type="button"
      {...rest}
      className={classes(SHAPE, 'min-h-11 px-4', LOOKS[look], className)}
    />
  );
}

/** A button with a picture only: `label` is its name. 44 × 44 px to the finger. */
export function IconButton({
  label,
  look = 'quiet',
  className,
  ...rest
}: ComponentProps<'button'> & { label: string; look?: Look }) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      {...rest}
      className={classes(SHAPE, 'size-11', LOOKS[look], className)}
    />
  );
}
