/** What somebody pastes to sign in: a token, an API key, or the whole address that `flexdse serve` printed. */
export function credentialOf(pasted: string): string {
  const text = pasted.trim();
  const query = /[?&]token=([^&#\s]+)/.exec(text);
  if (query === null) return text;
  try {
    return decodeURIComponent(query[1]!);
  } catch {
    return query[1]!;
  }
}
