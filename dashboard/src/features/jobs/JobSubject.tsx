/** What a job works on, by its name where the page knows it. */
import type { JSX } from "preact";
import { explorationTitle } from "../../domain/exploration";
import { jobSubject } from "../../domain/jobs";
import { explorations } from "../../state/explorations";
import { formatPage } from "../../state/route";
import { Missing } from "../../ui/basics";
import { Link } from "../../ui/Link";
import css from "./jobs.module.css";

export function JobSubject({ resource }: { readonly resource: string }): JSX.Element {
  const subject = jobSubject(resource);
  if (subject === null) return <Missing reason="what this job worked on is deleted" />;
  const { kind, id } = subject;
  const known = kind === "exploration" ? explorations.state.value.data?.find((item) => item.id === id) : undefined;
  const title = known === undefined ? `${kind} ${id.slice(-8)}` : explorationTitle(known);
  return (
    <Link class={css.subject} title={title} to={formatPage({ name: kind, id })}>
      {title}
    </Link>
  );
}
