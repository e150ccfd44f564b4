/** The event stream of one exploration. The browser reconnects by itself while the server is away. */
import type { LiveEvent } from "../domain/live";
import { whileVisible } from "./stream";

const RETRY_MS = 2000;

/** Calls `on` for each event until the returned function is called or the search is done. */
export function followExploration(id: string, on: (event: LiveEvent) => void): () => void {
  let timer = 0;
  let stopped = false;
  let stopStream = (): void => undefined;

  const stop = (): void => {
    stopped = true;
    window.clearTimeout(timer);
    stopStream();
  };

  const connect = (): EventSource => {
    const source = new EventSource(`/api/v1/explorations/${encodeURIComponent(id)}/events`);
    source.onopen = () => on({ type: "open" });
    source.onerror = () => {
      if (stopped) return;
      on({ type: "lost" });
      // A refused connection is retried by the browser; an HTTP error closes the source for good.
      if (source.readyState === EventSource.CLOSED) {
        timer = window.setTimeout(() => {
          stopStream();
          stopStream = whileVisible(connect);
        }, RETRY_MS);
      }
    };
    for (const type of ["state", "progress", "done"] as const) {
      source.addEventListener(type, (message: MessageEvent<string>) => {
        const event = parseEvent(type, message.data);
        if (event === null) return;
        on(event);
        if (event.type === "done") stop();
      });
    }
    return source;
  };

  stopStream = whileVisible(connect);
  return stop;
}

/** An event of the stream, or null for one that this page does not understand. */
export function parseEvent(type: "state" | "progress" | "done", data: string): LiveEvent | null {
  let body: unknown;
  try {
    body = JSON.parse(data);
  } catch {
    return null;
  }
  if (typeof body !== "object" || body === null) return null;
  if (type === "progress") {
    return Array.isArray((body as { front?: unknown }).front)
      ? { type, progress: body as Extract<LiveEvent, { type: "progress" }>["progress"] }
      : null;
  }
  const state = (body as { state?: unknown }).state;
  return typeof state === "string" ? { type, state: state as Extract<LiveEvent, { type: "state" }>["state"] } : null;
}
