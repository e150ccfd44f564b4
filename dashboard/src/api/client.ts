/** The one door to the server: typed by its OpenAPI document, with two kinds of failure. */
import createClient from "openapi-fetch";
import type { paths } from "../client/schema";
import { type Problem, toProblem } from "../domain/problem";

const TIMEOUT_MS = 30_000;
const PATIENT_MS = 180_000;

/** The server answered, and refused. */
export class ApiError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "ApiError";
    this.problem = problem;
  }
}

/** No answer: the server is down, restarting or out of reach. */
export class ConnectionError extends Error {
  constructor(cause: unknown) {
    super("The server does not answer.", { cause });
    this.name = "ConnectionError";
  }
}

let onUnauthorized = (): void => undefined;

/** `react` is called whenever the server no longer knows who asks. */
export function whenUnauthorized(react: () => void): void {
  onUnauthorized = react;
}

/** The refusal as it is; a 401 is told to who listens first. */
export function refused(error: ApiError): ApiError {
  if (error.problem.status === 401) onUnauthorized();
  return error;
}

export const client = createClient<paths>({
  baseUrl: "",
  fetch: (request: Request) => fetch(new Request(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)]) })),
});

/** For what the server computes for seconds, or longer when others are before us. */
export function patientFetch(request: Request): Promise<Response> {
  return fetch(new Request(request, { signal: AbortSignal.timeout(PATIENT_MS) }));
}

/** The data of an answer, or the failure as one of the two errors. */
export async function answer<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let result;
  try {
    result = await call;
  } catch (error) {
    throw new ConnectionError(error);
  }
  const { data, error, response } = result;
  // What stands between us and a server that is down (a proxy, a load balancer) says it with these.
  if ([502, 503, 504].includes(response.status)) throw new ConnectionError(error);
  if (!response.ok || data === undefined) throw refused(new ApiError(toProblem(error, response.status)));
  return data;
}
