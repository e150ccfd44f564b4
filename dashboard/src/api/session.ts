/** Calls of the session: who the server takes the browser for. */
import type { components } from "../client/schema";
import { answer, client } from "./client";

export type Session = components["schemas"]["Session"];

export function getSession(): Promise<Session> {
  return answer(client.GET("/api/v1/session"));
}

/** Swaps a token or an API key for the cookie of this browser. */
export function openSession(credential: string): Promise<Session> {
  return answer(client.POST("/api/v1/session", { body: { credential } }));
}

export async function closeSession(): Promise<void> {
  await client.DELETE("/api/v1/session");
}
