/** Every job: what waits, what runs, what failed and why. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Job, type JobPage, type JobState, listJobs } from "../../api/jobs";
import { jobSeconds, KIND_TITLES, waitText } from "../../domain/jobs";
import { isFinished } from "../../domain/live";
import { formatAge, formatDuration } from "../../domain/units";
import { now } from "../../state/explorations";
import { usePolled } from "../../state/polled";
import { formatPage } from "../../state/route";
import { Blank, Button, Failure, Missing, Panel, Skeleton, StateLabel, stateTitle } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import { Link } from "../../ui/Link";
import { JobActions } from "./JobActions";
import { JobSubject } from "./JobSubject";
import css from "./jobs.module.css";

const STATES: readonly JobState[] = ["queued", "running", "succeeded", "failed", "cancelled"];

interface Found {
  /** What runs stands first, however old it is. */
  readonly items: readonly Job[];
  readonly running: number;
  /** "100 or more" where they do not fit on a page. */
  readonly waiting: string;
  readonly hasMore: boolean;
}

/** The newest jobs, `pages` pages of them; what runs is asked for by itself: hundreds may wait that are newer. */
async function load(state: JobState | "", pages: number): Promise<Found> {
  const filter = state === "" ? {} : { state };
  const [running, queued] = await Promise.all([listJobs({ state: "running" }), listJobs({ state: "queued" })]);
  const items = new Map(state === "" ? running.items.map((job) => [job.id, job]) : []);
  let cursor: string | null = null;
  for (let page = 0; page < pages; page += 1) {
    const found: JobPage = await listJobs(cursor === null ? filter : { ...filter, cursor });
    for (const job of found.items) if (!items.has(job.id)) items.set(job.id, job);
    cursor = found.next_cursor;
    if (cursor === null) break;
  }
  const { length } = queued.items;
  return { items: [...items.values()], running: running.items.length, waiting: queued.next_cursor === null ? String(length) : `${length} or more`, hasMore: cursor !== null };
}

export function JobsPage(): JSX.Element {
  const [state, setState] = useState<JobState | "">("");
  const [pages, setPages] = useState(1);
  const jobs = usePolled(`${state} ${pages}`, () => load(state, pages), (found) => found.items.some((job) => !isFinished(job.state)));
  const { data, error } = jobs.state.value;
  useEffect(() => {
    document.title = "Jobs · FlexDSE";
  }, []);
  return (
    <div class={css.page}>
      <h1>Jobs</h1>
      <Panel
        title="Queue"
        note={data === null ? undefined : `${data.running} running, ${data.waiting} waiting`}
        flush
        tools={
          <label class={css.filter}>
            State{" "}
            <select value={state} onChange={(event) => {
                setState(event.currentTarget.value as JobState | "");
                setPages(1);
              }}
            >
              <option value="">all</option>
              {STATES.map((known) => (
                <option key={known} value={known}>
                  {stateTitle(known)}
                </option>
              ))}
            </select>
          </label>
        }
      >
        {data === null ? (
          error !== null ? (
            <Failure error={error} retry={() => void jobs.load()} />
          ) : (
            <Skeleton label="Loading the jobs" lines={8} />
          )
        ) : data.items.length === 0 ? (
          <Blank title={state === "" ? "Nothing to do" : `No job is ${stateTitle(state).toLowerCase()}`}>
            <p>Explorations, generated projects and tool runs stand here as soon as they are submitted.</p>
          </Blank>
        ) : (
          <DataTable label="Jobs" nowrap heads={["Job", "Of", "State", "Queue", "Attempt", ...numericHeads("Waited", "Ran", "Submitted"), "Actions"]}>
            <tbody>
              {data.items.map((job) => (
                <Row key={job.id} job={job} onChange={() => void jobs.load()} />
              ))}
            </tbody>
          </DataTable>
        )}
        {data?.hasMore === true && (
          <div class={css.more}>
            <Button onClick={() => setPages(pages + 1)}>Show older</Button>
          </div>
        )}
      </Panel>
    </div>
  );
}

function Row({ job, onChange }: { readonly job: Job; readonly onChange: () => void }): JSX.Element {
  const { waited, ran } = jobSeconds(job, now.value);
  return (
    <tr>
      <th scope="row">
        <Link to={formatPage({ name: "job", id: job.id })}>{KIND_TITLES[job.kind] ?? job.kind}</Link> <code class={css.id}>{job.id}</code>
      </th>
      <td>
        <JobSubject resource={job.resource} />
      </td>
      <td>
        <StateLabel state={job.state} />
        {job.error !== null && <span class={css.cause}>{job.error.detail}</span>}
      </td>
      <td>{job.queue}</td>
      <td>
        {job.attempt} of {job.max_attempts}
      </td>
      <NumericCell title={waitText(job)}>{formatDuration(waited)}</NumericCell>
      <NumericCell>{ran === null ? <Missing reason="it has not started" /> : formatDuration(ran)}</NumericCell>
      <NumericCell>{formatAge(job.created_at, now.value)}</NumericCell>
      <td>
        <JobActions job={job} onChange={onChange} />
      </td>
    </tr>
  );
}
