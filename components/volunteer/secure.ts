/** Whether this page may compute, and if not, where it could (M8). */
export type Security =
  { readonly type: 'secure' } | { readonly type: 'insecure'; readonly httpsAddress: string };

/** Storage, hashing and threads exist on localhost and over https only. */
export function securityOf(page: {
  isSecureContext: boolean;
  host: string;
  path: string;
}): Security {
  if (page.isSecureContext) return { type: 'secure' };
  return { type: 'insecure', httpsAddress: `https://${page.host}${page.path}` };
}
