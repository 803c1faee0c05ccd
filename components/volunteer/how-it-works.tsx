const POINTS = [
  {
    title: 'A few layers each',
    text: 'Your tab measures itself, fetches the layers that suit it and keeps them in this browser, so that the next start is quick.',
  },
  {
    title: 'You see when it works',
    text: 'A light in the header is lit whenever it computes. Pause takes less than a second; answers go on elsewhere.',
  },
  {
    title: 'What others learn',
    text: 'Neighbouring nodes see your network address, as in a video call. Your tab sees the words that pass through its layers, as theirs do.',
  },
] as const;

/** Before the first click: what will happen, and what it costs. */
export function HowItWorks() {
  return (
    <ul className="grid gap-6 border-t border-line pt-8 sm:grid-cols-3">
      {POINTS.map(({ title, text }) => (
        <li key={title}>
          <h2 className="font-semibold">{title}</h2>
          <p className="mt-1 text-[0.95rem] text-soft">{text}</p>
        </li>
      ))}
    </ul>
  );
}
