import { runPart, type Part, type PartWord } from './campaign.ts';

/** One process of a campaign: its part comes as an argument, its words go to the parent. */
const part = JSON.parse(process.argv.at(-1) ?? '') as Part;
const tell = (word: PartWord): Promise<void> =>
  new Promise((sent) => process.send?.(word, () => sent()));
const report = await runPart(part, (seed, failure) => void tell({ kind: 'seed', seed, failure }));
await tell({ kind: 'report', report });
process.disconnect();
