/**
 * Why a server cannot be reached, in words for the terminal; `null` where it answers.
 * The node itself tries again for ever and says nothing: a wrong address would look like a slow one.
 */
export async function whyUnreachable(serverUrl: string): Promise<string | null> {
  try {
    const response = await fetch(`${serverUrl}/healthz`);
    if (response.ok) return null;
    return `${serverUrl} answers ${response.status} to /healthz: is it a DeCLAI server?`;
  } catch (error) {
    return `cannot reach ${serverUrl} (${causeOf(error)}); trying again`;
  }
}

/** `fetch` says "fetch failed" to everything; what happened is in its cause. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (/SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)) {
    return 'nobody signed its certificate: --insecure takes it';
  }
  if (code !== '') return code;
  return cause instanceof Error ? cause.message : String(cause);
}
