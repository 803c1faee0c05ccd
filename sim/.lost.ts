import { runSession } from './session/run.ts';
const from = Number(process.argv[2] ?? 1),
  n = Number(process.argv[3] ?? 300);
for (let s = from; s < from + n; s++) {
  const r = runSession(s);
  const l = [...r.counts].filter(([k]) => k.startsWith('answer lost'));
  if (l.length)
    console.log(
      s,
      JSON.stringify(l),
      [...r.counts]
        .filter(([k]) => /hang|freeze|slow|declared|epoch/.test(k))
        .map(([k, v]) => k + ' ' + v)
        .join(', '),
    );
}
