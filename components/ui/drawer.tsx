'use client';
import { useEffect, useRef, type ReactNode } from 'react';
import { IconButton } from './button.tsx';
import { classes } from './classes.ts';
import { Icon } from './icons.tsx';

interface DrawerProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly title: string;
  readonly side: 'left' | 'right';
  readonly children: ReactNode;
}

/** A modal panel at one side. The native dialog gives focus trap, Escape and inert background. */
export function Drawer({ open, onClose, title, side, children }: DrawerProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    if (open && element && !element.open) element.showModal();
    if (!open && element?.open) element.close();
  }, [open]);
  return (
    <dialog
      ref={dialog}
      aria-label={title}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
      className={classes(
        'm-0 h-dvh max-h-none w-[min(22rem,88vw)] max-w-none bg-ground text-ink shadow-2xl',
        side === 'right' ? 'ml-auto' : 'mr-auto',
      )}
    >
      {open && (
        <div className="flex h-full flex-col">
          <div className="flex items-center justify-between border-b border-line py-1.5 pr-2 pl-5">
            <h2 className="font-semibold">{title}</h2>
            <IconButton label="Close" onClick={onClose}>
              <Icon name="close" />
            </IconButton>
          </div>
          <div className="min-h-0 flex-1 overflow-y-auto p-5">{children}</div>
        </div>
      )}
    </dialog>
  );
}
