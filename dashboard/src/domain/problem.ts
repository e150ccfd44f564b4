/** RFC 9457 problems of the server, and how they find their place beside the fields of a form. */

export interface FieldError {
  readonly field?: string;
  readonly value?: unknown;
  readonly rule?: string;
  readonly hint?: string;
}

export interface Problem {
  readonly title: string;
  readonly detail: string;
  readonly status: number;
  readonly errors: readonly FieldError[];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** What can be said of an error answer, whatever its body is. */
export function toProblem(body: unknown, status: number): Problem {
  const source = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const errors = Array.isArray(source["errors"]) ? source["errors"] : [];
  return {
    title: text(source["title"]) ?? `The server answered ${status}`,
    detail: text(source["detail"]) ?? (status >= 500 ? "The server failed. Its log says why." : "The server refused this."),
    status,
    errors: errors
      .filter((entry): entry is Record<string, unknown> => typeof entry === "object" && entry !== null)
      .map((entry) => {
        const error: { field?: string; value?: unknown; rule?: string; hint?: string } = {};
        const field = text(entry["field"]);
        const rule = text(entry["rule"]);
        const hint = text(entry["hint"]);
        if (field !== undefined) error.field = field.replace(/^(body|query)\./, "");
        if (rule !== undefined) error.rule = rule;
        if (hint !== undefined) error.hint = hint;
        if ("value" in entry) error.value = entry["value"];
        return error;
      }),
  };
}

/** One sentence for one error: the rule that was broken, then the way out. */
export function explain(error: FieldError, detail: string): string {
  const rule = error.rule ?? detail;
  // A name stays as it is written.
  const sentence = /^\w*_/.test(rule) ? rule : rule.charAt(0).toUpperCase() + rule.slice(1);
  return error.hint === undefined ? sentence : `${sentence} — ${error.hint}`;
}

export interface PlacedProblems {
  /** Name of the form's field -> messages. */
  readonly fields: Readonly<Record<string, readonly string[]>>;
  /** What belongs to no field of the form. */
  readonly general: readonly string[];
}

/**
 * Each error at the most specific field of the form: `workload.prompt_tokens`, else `prompt_tokens`;
 * an error of a whole group (`workload`) at the first field of the group.
 */
export function placeProblems(problem: Problem, fields: readonly string[]): PlacedProblems {
  const placed: Record<string, string[]> = {};
  const general: string[] = [];
  const put = (field: string, message: string): void => {
    const messages = (placed[field] ??= []);
    if (!messages.includes(message)) messages.push(message);
  };
  for (const error of problem.errors) {
    const message = explain(error, problem.detail);
    const path = (error.field ?? "").replace(/\[\d+\]/g, "");
    const owner = fields
      .filter((field) => path === field || path.startsWith(`${field}.`) || field.endsWith(`.${path}`))
      .sort((a, b) => b.length - a.length)[0];
    const members = fields.filter((field) => path !== "" && field.startsWith(`${path}.`));
    // A field that stands for several things says which: space.fix.prefill.token_parallelism in the field `space`.
    const part = owner !== undefined && path.startsWith(`${owner}.`) ? path.slice(owner.length + 1).replace(/^(fix|restrict|extend|modules|forbid)\./, "") : "";
    if (owner !== undefined) put(owner, part === "" ? message : `${part}: ${message}`);
    else if (members.length > 0) put(members[0]!, message);
    else general.push(message);
  }
  if (problem.errors.length === 0) general.push(problem.detail);
  return { fields: placed, general };
}
