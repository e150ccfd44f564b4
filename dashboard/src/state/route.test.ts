import { describe, expect, test } from "vitest";
import { chooseAxes, opposingPair } from "./axes";
import { formatPage, formatView, NO_VIEW, type Page, parseRoute, type View } from "./route";

describe("the address", () => {
  const pages: Page[] = [
    { name: "home" },
    { name: "new" },
    { name: "exploration", id: "a b/c" },
    { name: "design", id: "0198", index: 41 },
    { name: "evaluation", id: "x y", row: 999_999 },
    { name: "explorations" },
    { name: "compare" },
    { name: "measurements" },
    { name: "jobs" },
    { name: "job", id: "0/1" },
    { name: "project", id: "x" },
    { name: "sweeps" },
    { name: "new-sweep" },
    { name: "sweep", id: "y" },
  ];

  test.each(pages)("says which page it is: $name", (page) => {
    expect(parseRoute(formatPage(page), "").page).toEqual(page);
  });

  test.each(["/designs", "/explorations/x/designs/-1", "/explorations/x/designs/1e3", "/explorations/%E0%A4%A", "/new/x", "/jobs/x/y", "/toString/x", "/constructor"])(
    "%s leads nowhere",
    (path) => {
      expect(parseRoute(path, "").page.name).toBe("unknown");
    },
  );

  test("holds the axes in view", () => {
    const view: View = {
      x: "tpot_s",
      y: "power_w",
      colour: "",
      size: "ttft_s",
      xKind: "log",
      yKind: null,
      feasibleOnly: true,
      tab: "progress",
      selection: {
        ranges: [{ column: "power_w", low: -1.5, high: 2e-7 }],
        lasso: { x: "tpot_s", xKind: "log", y: "power_w", yKind: "linear", polygon: [[1, 2], [3.25, 1e-9], [5, 6]] },
      },
      parallel: { order: ["tpot_s", "prefill.token_parallelism"], turned: ["ttft_s"], hidden: ["decode.block_parallelism"] },
      designs: [{ exploration: "01:9", index: 4 }],
      explorations: ["a b"],
    };
    expect(parseRoute("/", formatView(view)).view).toEqual(view);
    expect(parseRoute("/", "?xscale=cubic").view.xKind).toBeNull();
    expect(parseRoute("/", "?order=a,,<b>,a,c").view.parallel).toEqual({ order: ["a", "c"], turned: [], hidden: [] });
    expect(formatView({})).toBe("");
  });
});

describe("chooseAxes", () => {
  const columns = new Map(["ttft_s", "tpot_s", "power_w"].map((name, k) => [name, Float64Array.of(1, 10 ** (k + 1))]));
  const none = NO_VIEW;

  test("takes the objectives where the address says nothing", () => {
    expect(chooseAxes(columns, ["ttft_s", "tpot_s", "power_w"], none)).toEqual({
      x: "ttft_s",
      y: "tpot_s",
      colour: "power_w",
      size: "",
      xKind: "linear",
      yKind: "log",
    });
  });

  test("takes what the address says where there is such a column", () => {
    expect(chooseAxes(columns, ["ttft_s"], { ...none, x: "power_w", y: "nothing", colour: "" })).toMatchObject({
      x: "power_w",
      y: "ttft_s",
      colour: "",
    });
  });

  test("leads with the objectives that pull against each other", () => {
    const conflict = new Map([
      ["ttft_s", Float64Array.of(1, 2, 3)],
      ["tpot_s", Float64Array.of(1, 2, 3)],
      ["max_utilization", Float64Array.of(3, 2, 1)],
    ]);
    const objectives = [...conflict.keys()];
    const pair = opposingPair(conflict, objectives, () => "min");
    expect(pair).toEqual(["ttft_s", "max_utilization"]);
    expect(chooseAxes(conflict, objectives, none, pair!)).toMatchObject({ x: "ttft_s", y: "max_utilization", colour: "tpot_s" });
    expect(chooseAxes(conflict, objectives, { ...none, y: "ttft_s" }, pair!)).toMatchObject({ x: "max_utilization", y: "ttft_s" });
  });

  test("has no axes without columns", () => {
    expect(chooseAxes(new Map(), ["ttft_s"], none)).toBeNull();
  });
});
