import * as z from 'zod/mini';

/** Decimal digits only: `Number` would take '1e3', '0x10' and ' '. */
export const fromSchema = z.string().check(z.regex(/^(0|[1-9][0-9]{0,6})$/));
