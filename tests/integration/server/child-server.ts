import { main } from '#server/main.ts';
import { parseServerOptions } from '#server/options.ts';

/** The server's own process without the building that `npm start` does first. */
const options = parseServerOptions(process.argv.slice(2), process.env);
if (options) await main(options);
