import { expect, test } from "vitest";
import { resource, settled } from "./resource";

test("settled waits for what is under way and asks for nothing", async () => {
  let calls = 0;
  let finish = (value: number): void => void value;
  const held = resource(() => {
    calls += 1;
    return new Promise<number>((resolve) => (finish = resolve));
  });
  void held.load();
  const waiting = settled(held);
  finish(7);
  expect((await waiting).data).toBe(7);
  expect((await settled(held)).data).toBe(7);
  expect(calls).toBe(1);
});

test("settled tells a failure, and what was there before it", async () => {
  let fail = false;
  const held = resource(async () => {
    if (fail) throw new Error("gone");
    return 1;
  });
  await held.load();
  fail = true;
  void held.load();
  const { data, error } = await settled(held);
  expect([data, error?.message]).toEqual([1, "gone"]);
});
