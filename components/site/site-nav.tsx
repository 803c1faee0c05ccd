'use client';
import Link from 'next/link';
import { usePathname } from 'next/navigation';
import { classes } from '#components/ui/classes.ts';

const PLACES = [
  { href: '/', name: 'Chat' },
  { href: '/volunteer', name: 'Contribute' },
] as const;

export function SiteNav() {
  const here = usePathname();
  return (
    <nav aria-label="Places" className="flex items-center">
      {PLACES.map(({ href, name }) => (
        <Link
          key={href}
          href={href}
          aria-current={here === href ? 'page' : undefined}
          className={classes(
            'flex min-h-11 items-center rounded-xl px-3 text-[0.95rem]',
            here === href ? 'font-medium text-ink' : 'text-soft hover:text-ink',
          )}
        >
          <span
            className={classes(
              'mt-0.5 border-b-2 py-1',
              here === href ? 'border-accent' : 'border-transparent',
            )}
          >
            {name}
          </span>
        </Link>
      ))}
    </nav>
  );
}
