import { expect, test } from "vitest";
import { parseEvent } from "./events";

test("events of the stream, and what is none", () => {
  expect(parseEvent("state", '{"state":"running"}')).toEqual({ type: "state", state: "running" });
  expect(parseEvent("done", '{"state":"succeeded","front_size":3}')).toEqual({ type: "done", state: "succeeded" });
  expect(parseEvent("progress", '{"evaluations":1,"front":[]}')).toEqual({ type: "progress", progress: { evaluations: 1, front: [] } });
  for (const broken of ["", "null", "[]", "{}"]) {
    expect(parseEvent("progress", broken)).toBeNull();
    expect(parseEvent("state", broken)).toBeNull();
  }
});
