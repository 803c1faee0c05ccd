import './globals.css';
import type { Metadata, Viewport } from 'next';
import type { ReactNode } from 'react';
import { SiteHeader } from '#components/site/site-header.tsx';
import { ComputingLight } from '#components/volunteer/computing-light.tsx';
import { THEME_SCRIPT } from '#components/ui/theme.ts';
import { Providers } from './providers.tsx';

export const metadata: Metadata = {
  title: { default: 'DeCLAI', template: '%s · DeCLAI' },
  description: 'A language model that lives in browser tabs.',
};

export const viewport: Viewport = {
  width: 'device-width',
  initialScale: 1,
  // The keyboard of a phone shrinks the page instead of covering the composer.
  interactiveWidget: 'resizes-content',
};

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en" suppressHydrationWarning>
      <head>
        <script dangerouslySetInnerHTML={{ __html: THEME_SCRIPT }} />
      </head>
      <body className="flex h-dvh flex-col">
        <Providers>
          <SiteHeader light={<ComputingLight />} />
          {children}
        </Providers>
      </body>
    </html>
  );
}
