/**
 * Event streams of the server: open while the page is looked at.
 *
 * A browser has six connections to a server over HTTP/1.1, for all its tabs together: streams of tabs in the background
 * would leave none for the one in front.
 */

/** `open` makes the source, again each time the page comes back into view; the returned function ends it for good. */
export function whileVisible(open: () => EventSource): () => void {
  let source: EventSource | null = null;
  const follow = (): void => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else source ??= open();
  };
  document.addEventListener("visibilitychange", follow);
  follow();
  return () => {
    document.removeEventListener("visibilitychange", follow);
    source?.close();
  };
}
