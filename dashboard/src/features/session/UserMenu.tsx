/** What belongs to this browser: the theme, and the way out. */
import type { JSX } from "preact";
import { authenticationRequired, session, signOut } from "../../state/session";
import { chooseTheme, type ThemeChoice, themeChoice } from "../../ui/theme";
import { Button } from "../../ui/basics";
import css from "./session.module.css";

const THEMES: readonly ThemeChoice[] = ["system", "light", "dark"];

export function UserMenu(): JSX.Element {
  return (
    <div class={css.menu}>
      <select class={css.theme} aria-label="Theme" value={themeChoice.value} onChange={(event) => chooseTheme(event.currentTarget.value as ThemeChoice)}>
        {THEMES.map((theme) => (
          <option key={theme} value={theme}>
            {theme} theme
          </option>
        ))}
      </select>
      {authenticationRequired.value && session.value === "open" && <Button onClick={() => void signOut()}>Sign out</Button>}
    </div>
  );
}
