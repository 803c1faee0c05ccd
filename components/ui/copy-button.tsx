'use client';
import { useState } from 'react';
import { IconButton } from './button.tsx';
import { writeClipboard } from './clipboard.ts';
import { Icon } from './icons.tsx';

const SHOWN_MS = 1_600;

/** Copies `text`; says for a moment whether that worked. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [outcome, setOutcome] = useState<'idle' | 'copied' | 'failed'>('idle');
  const copy = () => {
    void writeClipboard(text).then((worked) => {
      setOutcome(worked ? 'copied' : 'failed');
      setTimeout(() => setOutcome('idle'), SHOWN_MS);
    });
  };
  const name = { idle: label, copied: 'Copied', failed: 'Copying needs https' }[outcome];
  return (
    <>
      <IconButton label={name} onClick={copy}>
        <Icon name={{ idle: 'copy', copied: 'check', failed: 'close' }[outcome] as 'copy'} />
      </IconButton>
      <span role="status" className="sr-only">
        {outcome === 'idle' ? '' : name}
      </span>
    </>
  );
}
