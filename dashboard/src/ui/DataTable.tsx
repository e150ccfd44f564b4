/**
 * The frame of every table: head row, name, and a region that scrolls sideways by itself.
 *
 * The region is a stop of the keyboard only where it has something to scroll.
 */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import css from "./table.module.css";

export interface Head {
  readonly title: ComponentChildren;
  /** Numbers below it: they stand at the right, as their digits do. */
  readonly numeric?: boolean;
  /** Said, but not shown. */
  readonly hidden?: boolean;
}

interface DataTableProps {
  readonly label: string;
  readonly heads: readonly (string | Head)[];
  /** Within the body of a panel, without the padding of an edge. */
  readonly inset?: boolean;
  /** Every cell keeps to one line. */
  readonly nowrap?: boolean;
  /** One or several `tbody`. */
  readonly children: ComponentChildren;
}

export function DataTable({ label, heads, inset = false, nowrap = false, children }: DataTableProps): JSX.Element {
  const [box, overflows] = useOverflow();
  return (
    <div ref={box as { current: HTMLDivElement | null }} class={css.scroll} {...(overflows ? { role: "region", tabIndex: 0, "aria-label": `${label}, scrolls sideways` } : {})}>
      <table class={css.table} aria-label={label} data-inset={inset} data-nowrap={nowrap}>
        <thead>
          <tr>
            {heads.map((head, i) => {
              const { title, numeric = false, hidden = false } = typeof head === "string" ? { title: head } : head;
              return (
                <th key={i} scope="col" class={numeric ? css.numeric : undefined}>
                  {hidden ? <span class="visually-hidden">{title}</span> : title}
                </th>
              );
            })}
          </tr>
        </thead>
        {children}
      </table>
    </div>
  );
}

/** Heads of columns of numbers. */
export function numericHeads(...titles: string[]): Head[] {
  return titles.map((title) => ({ title, numeric: true }));
}

interface NumericCellProps {
  readonly title?: string | undefined;
  readonly class?: string | undefined;
  readonly children: ComponentChildren;
}

/** A cell of a column of numbers. */
export function NumericCell({ title, class: extra, children }: NumericCellProps): JSX.Element {
  return (
    <td class={extra === undefined ? css.numeric : `${css.numeric} ${extra}`} title={title}>
      {children}
    </td>
  );
}

/** Whether the content of an element is wider than the element. */
function useOverflow(): [{ readonly current: HTMLDivElement | null }, boolean] {
  const ref = useRef<HTMLDivElement>(null);
  const [overflows, setOverflows] = useState(false);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    const look = (): void => setOverflows(element.scrollWidth > element.clientWidth + 1);
    const observer = new ResizeObserver(look);
    observer.observe(element);
    if (element.firstElementChild !== null) observer.observe(element.firstElementChild);
    look();
    return () => observer.disconnect();
  }, []);
  return [ref, overflows];
}
