import { runPart, type Part } from './campaign.ts';

/** One process of a campaign: its part comes as an argument, its report goes to the parent. */
const part = JSON.parse(process.argv.at(-1) ?? '') as Part;
const report = await runPart(part);
process.send?.(report, () => process.disconnect());
