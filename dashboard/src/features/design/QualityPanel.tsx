/** What quantization costs the model, and on what that statement rests. */
import type { JSX } from "preact";
import type { CostReport } from "../../domain/documents";
import { changeText, qualityBand } from "../../domain/quality";
import { Badge, Missing, Panel } from "../../ui/basics";
import css from "./figures.module.css";

export function QualityPanel({ quality, scheme }: { readonly quality: CostReport["quality"]; readonly scheme: string }): JSX.Element {
  return (
    <Panel title="Model quality" note={`scheme ${scheme}; lower is better`}>
      <div class={css.column}>
        {quality.value === null ? (
          <p>
            <Missing reason={quality.missing ?? undefined} /> {quality.missing ?? "Not known."}
          </p>
        ) : (
          <>
            <p>
              <strong>{changeText(quality.value)}</strong> perplexity over the unquantized model <Badge title="what the number rests on">{quality.kind ?? "kind not said"}</Badge>
            </p>
            <p>{quality.low != null && quality.high != null ? `Band: ${qualityBand(quality)}` : "No band: the source gives one number."}</p>
          </>
        )}
        {quality.detail != null && quality.detail !== "" && <p class={css.note}>Source: {quality.detail}</p>}
      </div>
    </Panel>
  );
}
