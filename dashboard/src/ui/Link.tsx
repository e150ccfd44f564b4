import type { ComponentChildren, JSX } from "preact";
import { navigate } from "../state/router";

interface LinkProps {
  readonly to: string;
  readonly children: ComponentChildren;
  readonly class?: string | undefined;
  readonly title?: string | undefined;
  readonly label?: string | undefined;
  readonly current?: boolean;
  readonly tabIndex?: number;
}

/** A real link: a plain click stays on the page, anything else is the browser's. */
export function Link({ to, children, class: name, title, label, current = false, tabIndex }: LinkProps): JSX.Element {
  return (
    <a
      href={to}
      class={name}
      title={title}
      aria-label={label}
      tabIndex={tabIndex}
      aria-current={current ? "page" : undefined}
      onClick={(event) => {
        if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        navigate(to);
      }}
    >
      {children}
    </a>
  );
}
