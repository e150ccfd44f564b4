/** Opens a file of the user; what is wrong with it is said beside the button. */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { Button } from "../../ui/basics";
import css from "./measurements.module.css";

interface FileButtonProps {
  /** Throws where the text is not what is expected. */
  readonly onPairs: (name: string, text: string) => void;
}

export function FileButton({ onPairs }: FileButtonProps): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const [wrong, setWrong] = useState("");
  const open = async (): Promise<void> => {
    const file = input.current?.files?.[0];
    if (file === undefined) return;
    setWrong("");
    try {
      onPairs(file.name, await file.text());
    } catch (error) {
      setWrong(error instanceof SyntaxError ? `${file.name} is no JSON document: ${error.message}` : error instanceof Error ? error.message : String(error));
    }
    input.current!.value = "";
  };
  return (
    <>
      {wrong !== "" && (
        <span class={css.wrong} role="alert">
          {wrong}
        </span>
      )}
      <input ref={input} class="visually-hidden" type="file" accept=".json,application/json" tabIndex={-1} aria-label="File of measurements" onChange={() => void open()} />
      <Button onClick={() => input.current?.click()}>Open a measurements file</Button>
    </>
  );
}
