/** Which ports and data stand on which HBM channel, as a design puts them there. */
import type { CostReport, DesignPoint, Stage } from "./documents";

export interface Stored {
  /** What it is, as k_cache or weights. */
  readonly role: string;
  readonly bytes: number;
}

export interface ChannelStorage {
  readonly channel: number;
  /** Names of the ports on it, those that keep nothing there too. */
  readonly ports: readonly string[];
  /** Largest first. */
  readonly parts: readonly Stored[];
  readonly bytes: number;
}

export interface StageStorage {
  /** Every channel of the card, in order, those that hold nothing too. */
  readonly channels: readonly ChannelStorage[];
  readonly capacityBytes: number;
}

/** Data of a role are spread evenly over its ports; null for a card without HBM, or where the stage keeps nothing there. */
export function stageStorage(capacity: CostReport["capacity"], design: DesignPoint, stage: Stage): StageStorage | null {
  const memory = capacity.memories.find((use) => use.stage === stage && use.memory === "hbm");
  if (memory === undefined) return null;
  const parts = Array.from({ length: memory.channels }, (): Map<string, number> => new Map());
  for (const stored of capacity.roles) {
    if (stored.memory !== "hbm" || !stored.role.startsWith(`${stage}.`)) continue;
    const role = stored.role.slice(stage.length + 1);
    const ports = design.memory_map.ports.filter((port) => port.stage === stage && (port.roles as readonly string[]).includes(role));
    for (const port of ports) {
      const held = parts[port.channel];
      held?.set(role, (held.get(role) ?? 0) + stored.stored_bytes / ports.length);
    }
  }
  return {
    capacityBytes: memory.channel_capacity_bytes,
    channels: parts.map((held, channel) => ({
      channel,
      ports: design.memory_map.ports.filter((port) => port.stage === stage && port.memory === "hbm" && port.channel === channel).map((port) => port.name),
      parts: [...held].map(([role, bytes]) => ({ role, bytes })).sort((a, b) => b.bytes - a.bytes),
      bytes: [...held.values()].reduce((sum, bytes) => sum + bytes, 0),
    })),
  };
}
