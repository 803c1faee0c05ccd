'use client';
import { useSyncExternalStore } from 'react';
import { securityOf, type Security } from './secure.ts';

const SECURE: Security = { type: 'secure' };
let known: Security | null = null;

const read = (): Security =>
  (known ??= securityOf({
    isSecureContext: window.isSecureContext,
    host: location.host,
    path: '/volunteer',
  }));

/** A page's security never changes; static HTML supposes a secure one. */
export const useSecurity = (): Security =>
  useSyncExternalStore(
    () => () => undefined,
    read,
    () => SECURE,
  );
