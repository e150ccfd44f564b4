/** What a picture that leaves the page must say of itself: of what it is, by which models. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

/** Empty where the page is of nothing in particular. */
export const caption = signal("");

/** As long as the page is shown. */
export function useCaption(text: string): void {
  useEffect(() => {
    caption.value = text;
    return () => {
      caption.value = "";
    };
  }, [text]);
}
