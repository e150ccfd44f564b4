/** What a job prints, while it prints it; the end stays in view unless somebody scrolls back. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { followLog, type LogLine } from "../../api/jobs";
import { CopyButton, Panel } from "../../ui/basics";
import css from "./jobs.module.css";

/** Older lines stay in the server's log. */
const MOST_LINES = 5000;

interface JobLogProps {
  readonly id: string;
  readonly version: number;
  readonly lines: readonly LogLine[];
  readonly setLines: (change: (before: readonly LogLine[]) => readonly LogLine[]) => void;
}

export function JobLog({ id, version, lines, setLines }: JobLogProps): JSX.Element {
  const [ended, setEnded] = useState(false);
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    setLines(() => []);
    setEnded(false);
    // A stream that reconnects may repeat lines: each is known by its number.
    let last = -1;
    return followLog(
      id,
      (fresh) => {
        const newer = fresh.filter((line) => line.seq > last);
        if (newer.length === 0) return;
        last = newer.at(-1)!.seq;
        setLines((before) => [...before, ...newer].slice(-MOST_LINES));
      },
      () => setEnded(true),
    );
  }, [id, version]);
  useEffect(() => {
    if (atEnd.current && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  return (
    <Panel
      title="Log"
      note={ended ? "complete" : "live"}
      flush
      tools={lines.length > 0 && <CopyButton text={lines.map((line) => line.text).join("\n")} label="Copy the log" />}
    >
      <pre
        ref={box}
        class={css.log}
        tabIndex={0}
        role="log"
        aria-label="Log of the job"
        onScroll={({ currentTarget: element }) => {
          atEnd.current = element.scrollTop + element.clientHeight >= element.scrollHeight - 20;
        }}
      >
        {lines.length === 0
          ? ended
            ? "This job printed nothing."
            : "Nothing printed yet."
          : lines.map((line) => (
              <span key={line.seq} data-stream={line.stream}>
                {line.text}
                {"\n"}
              </span>
            ))}
      </pre>
    </Panel>
  );
}
