'use client';
import { useQuery } from '@tanstack/react-query';
import type * as z from 'zod/mini';
import { modelsSchema, statusSchema } from './status.ts';

/** Often enough to see a node come and go, seldom enough to cost nothing; not in hidden tabs. */
const STATUS_EVERY_MS = 4_000;
const ANSWER_WITHIN_MS = 5_000;

async function readJson<S extends z.ZodMiniType>(path: string, schema: S): Promise<z.infer<S>> {
  const response = await fetch(path, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  if (!response.ok) throw new Error(`${path} answered ${String(response.status)}`);
  return schema.parse(await response.json());
}

export const useNetworkStatus = () =>
  useQuery({
    queryKey: ['status'],
    queryFn: () => readJson('/api/status', statusSchema),
    refetchInterval: STATUS_EVERY_MS,
  });

/** Asked for until the server has answered once. */
export const useModels = () =>
  useQuery({
    queryKey: ['models'],
    queryFn: () => readJson('/v1/models', modelsSchema),
    refetchInterval: ({ state }) => (state.data ? false : STATUS_EVERY_MS),
  });
