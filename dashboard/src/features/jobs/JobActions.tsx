/** Cancel what has not ended, retry what did not succeed. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { cancelJob, type Job, retryJob } from "../../api/jobs";
import { isFinished } from "../../domain/live";
import { Button, Failure } from "../../ui/basics";

interface JobActionsProps {
  readonly job: Job;
  readonly onChange: () => void;
}

export function JobActions({ job, onChange }: JobActionsProps): JSX.Element | null {
  const [error, setError] = useState<Error | null>(null);
  const [sending, setSending] = useState(false);
  const act = async (action: (id: string) => Promise<Job>): Promise<void> => {
    setSending(true);
    setError(null);
    try {
      await action(job.id);
      onChange();
    } catch (caught) {
      setError(caught instanceof Error ? caught : new Error(String(caught)));
    } finally {
      setSending(false);
    }
  };
  if (error !== null) return <Failure error={error} retry={() => setError(null)} />;
  if (!isFinished(job.state)) {
    return (
      <Button disabled={sending || job.cancel_requested} aria-label={`Cancel job ${job.id}`} onClick={() => void act(cancelJob)}>
        {job.cancel_requested ? "Cancelling…" : "Cancel"}
      </Button>
    );
  }
  if (job.state === "succeeded") return null;
  return (
    <Button disabled={sending} aria-label={`Retry job ${job.id}`} onClick={() => void act(retryJob)}>
      Retry
    </Button>
  );
}
