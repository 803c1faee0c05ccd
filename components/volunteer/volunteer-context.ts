'use client';
import { createContext, useContext } from 'react';
import { must } from '#lib/kernel/assert.ts';
import { VOLUNTEER_OFF, type VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { useReadable } from '#components/ui/use-readable.ts';
import type { VolunteerClient } from './volunteer-client.ts';

/** The one client of the page, made in `app/providers.tsx`; it never changes. */
export const VolunteerContext = createContext<VolunteerClient | null>(null);

export const useVolunteer = (): VolunteerClient =>
  must(useContext(VolunteerContext), 'a volunteer client is provided');

export const useVolunteerSnapshot = (): VolunteerSnapshot =>
  useReadable(useVolunteer(), VOLUNTEER_OFF);
