'use client';
import type { ReactNode } from 'react';
import { useModels } from '#components/site/use-network.ts';
import { useReadable } from '#components/ui/use-readable.ts';
import { CHAT } from '../limits.ts';
import { DEFAULT_SETTINGS, type ChatSettings } from '../store/model.ts';
import { useChat } from './chat-context.ts';

const FIELD = 'mt-1.5 min-h-11 w-full rounded-xl border border-line bg-raised px-3';

/** What can be set of an answer. Holds from the next answer on, kept in this browser. */
export function SettingsForm() {
  const chat = useChat();
  const settings = useReadable(chat.settings, null) ?? DEFAULT_SETTINGS;
  const models = useModels().data?.data ?? [];
  const change = (part: Partial<ChatSettings>) => chat.saveSettings({ ...settings, ...part });
  return (
    <form className="space-y-6" onSubmit={(event) => event.preventDefault()}>
      <Field label="Model" note="As offered by this server.">
        <select
          value={settings.model ?? ''}
          onChange={(event) =>
            change({ model: event.target.value === '' ? null : event.target.value })
          }
          className={FIELD}
        >
          <option value="">The first that is ready</option>
          {models.map(({ id }) => (
            <option key={id}>{id}</option>
          ))}
        </select>
      </Field>
      <Field label="System prompt" note="Comes before every conversation; strangers read it too.">
        <textarea
          rows={4}
          maxLength={CHAT.systemPromptCharsMax}
          value={settings.systemPrompt}
          onChange={(event) => change({ systemPrompt: event.target.value })}
          className={`${FIELD} py-2`}
        />
      </Field>
      <Field
        label={`Temperature: ${settings.temperature.toFixed(1)}`}
        note="0 always takes the likeliest word; higher is more varied."
      >
        <input
          type="range"
          min={0}
          max={2}
          step={0.1}
          value={settings.temperature}
          onChange={(event) => change({ temperature: Number(event.target.value) })}
          className="mt-1.5 h-11 w-full accent-accent"
        />
      </Field>
      <Field label="Longest answer, tokens" note="Empty: as long as the model's context allows.">
        <input
          type="number"
          inputMode="numeric"
          min={1}
          max={CHAT.answerTokensMax}
          value={settings.maxTokens ?? ''}
          onChange={(event) => change({ maxTokens: readTokens(event.target.value) })}
          className={FIELD}
        />
      </Field>
    </form>
  );
}

function Field({ label, note, children }: { label: string; note: string; children: ReactNode }) {
  return (
    <label className="block">
      <span className="font-medium">{label}</span>
      {children}
      <span className="mt-1 block text-sm text-soft">{note}</span>
    </label>
  );
}

function readTokens(text: string): number | null {
  const tokens = Math.floor(Number(text));
  return text === '' || !(tokens >= 1) ? null : Math.min(tokens, CHAT.answerTokensMax);
}
