import { expect, test } from "vitest";
import type { CostReport, DesignPoint } from "./documents";
import { stageStorage } from "./storage";

const port = (name: string, channel: number, roles: string[]) => ({ name, stage: "decode", memory: "hbm", channel, roles, width_bits: 256 });
const design = { memory_map: { ports: [port("w0", 0, ["weights"]), port("w1", 1, ["weights", "k_cache"]), { ...port("vocabulary", 0, ["io"]), memory: "ddr" }, port("io", 2, ["io"])] } } as unknown as DesignPoint;
const capacity = {
  memories: [{ stage: "decode", memory: "hbm", channels: 4, channel_capacity_bytes: 1000 }],
  roles: [
    { role: "decode.weights", memory: "hbm", channels: [0, 1], stored_bytes: 600, bytes_per_channel: 300 },
    { role: "decode.k_cache", memory: "hbm", channels: [1], stored_bytes: 900, bytes_per_channel: 900 },
    { role: "decode.io", memory: "ddr", channels: [0], stored_bytes: 7, bytes_per_channel: 7 },
  ],
} as unknown as CostReport["capacity"];

test("every channel of the card says what it holds", () => {
  const storage = stageStorage(capacity, design, "decode")!;
  expect(storage.capacityBytes).toBe(1000);
  expect(storage.channels.map(({ bytes }) => bytes)).toEqual([300, 1200, 0, 0]);
  expect(storage.channels.map(({ ports }) => ports)).toEqual([["w0"], ["w1"], ["io"], []]);
  expect(storage.channels[1]!.parts).toEqual([{ role: "k_cache", bytes: 900 }, { role: "weights", bytes: 300 }]);
  expect(stageStorage(capacity, design, "prefill")).toBeNull();
});
