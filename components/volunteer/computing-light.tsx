'use client';
import Link from 'next/link';
import { classes } from '#components/ui/classes.ts';
import { lightOf } from './describe.ts';
import { useVolunteerSnapshot } from './volunteer-context.ts';

/**
 * In the header of every page while this tab contributes: lit whenever it computes for others, so
 * that nobody's machine ever works unseen.
 */
export function ComputingLight() {
  const light = lightOf(useVolunteerSnapshot());
  if (light === 'none') return null;
  const computing = light === 'computing';
  const text = computing ? 'Computing for others' : 'Contributing, idle';
  return (
    <Link
      href="/volunteer"
      data-computing={computing}
      title={text}
      className="flex min-h-11 min-w-11 items-center justify-center gap-2 text-sm whitespace-nowrap text-soft hover:text-ink"
    >
      <span
        aria-hidden="true"
        className={classes(
          'size-2.5 rounded-full border border-accent',
          computing && 'bg-accent ring-4 ring-accent-wash',
        )}
      />
      <span className="max-lg:sr-only">{text}</span>
    </Link>
  );
}
