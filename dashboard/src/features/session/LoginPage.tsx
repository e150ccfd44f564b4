/** Asks for the token of the server or for an API key; also when a session is over. */
import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError } from "../../api/client";
import { addressRefused, signIn } from "../../state/session";
import { Button, Failure } from "../../ui/basics";
import css from "./session.module.css";

export function LoginPage({ expired }: { readonly expired: boolean }): JSX.Element {
  const [credential, setCredential] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const [sending, setSending] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => {
    document.title = "Sign in · FlexDSE";
    input.current?.focus();
    // The reason is on the page now: a reload need not say it again.
    if (addressRefused.value) window.history.replaceState(null, "", window.location.pathname);
  }, []);

  const submit = async (): Promise<void> => {
    setSending(true);
    setError(null);
    try {
      await signIn(credential);
    } catch (caught) {
      setError(caught instanceof Error ? caught : new Error(String(caught)));
      setSending(false);
      input.current?.focus();
    }
  };

  const isRefused = error instanceof ApiError && [401, 422].includes(error.problem.status);
  const fromAddress = addressRefused.value && error === null;
  return (
    <section class={css.login} aria-labelledby={`${id}-title`}>
      <h1 id={`${id}-title`}>{expired ? "Your session has ended" : "Sign in"}</h1>
      <p>
        {expired
          ? "The server no longer accepts this browser's session: it is too old, or its key was revoked. Sign in again and you are back on this page; nothing that runs has stopped."
          : "This server asks who you are. Paste the address or the token that it printed when it started, or an API key."}
      </p>
      <form
        aria-label="Sign in"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <label for={id}>Token or API key</label>
        <input
          ref={input}
          id={id}
          type="password"
          autocomplete="current-password"
          required
          value={credential}
          aria-invalid={isRefused}
          aria-describedby={isRefused || fromAddress ? `${id}-error` : `${id}-hint`}
          onInput={(event) => {
            setCredential(event.currentTarget.value);
            setError(null);
          }}
        />
        {fromAddress ? (
          <p id={`${id}-error`} class={css.refused} role="alert">
            The token in the address is not the one of this server: it is of another start or another data folder. Paste the address that the server printed last.
          </p>
        ) : isRefused ? (
          <p id={`${id}-error`} class={css.refused} role="alert">
            The server does not know this credential. Tokens change when the data folder does; keys end when they are revoked.
          </p>
        ) : (
          error !== null && <Failure error={error} />
        )}
        <Button primary type="submit" disabled={sending || credential.trim() === ""}>
          {sending ? "Signing in…" : "Sign in"}
        </Button>
      </form>
      <p id={`${id}-hint`} class={css.hint}>
        <code>flexdse serve</code> prints an address with the token in it; opening that signs in too. Keys are issued with{" "}
        <code>flexdse keys issue</code>.
      </p>
    </section>
  );
}
