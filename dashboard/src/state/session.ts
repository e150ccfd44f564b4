/** Whether the server knows the user: asked at the start, and again when it refuses. */
import { signal } from "@preact/signals";
import { whenUnauthorized } from "../api/client";
import { credentialOf } from "../domain/credential";
import { closeSession, getSession, openSession } from "../api/session";

/**
 * `unknown` until the server has answered; `open` in any case where calls are let in; `closed` where nobody signed in
 * yet; `expired` where somebody had.
 */
export type SessionState = "unknown" | "open" | "closed" | "expired";

export const session = signal<SessionState>("unknown");
/** The server asks for a credential at all: there is something to sign out of. */
export const authenticationRequired = signal(false);

export async function checkSession(): Promise<void> {
  const { authenticated, authentication_required: required } = await getSession();
  authenticationRequired.value = required;
  if (authenticated || !required) session.value = "open";
  else session.value = session.value === "open" ? "expired" : "closed";
}

/** The address that led here had a token that the server does not know; said once. */
export const addressRefused = signal(new URLSearchParams(window.location.search).get("signin") === "refused");

export async function signIn(credential: string): Promise<void> {
  await openSession(credentialOf(credential));
  addressRefused.value = false;
  session.value = "open";
}

export async function signOut(): Promise<void> {
  await closeSession();
  session.value = "closed";
}

whenUnauthorized(() => {
  session.value = session.value === "open" || session.value === "expired" ? "expired" : "closed";
});
