"""Random networks of processes, as traces for the solver and for an oracle that steps cycle by cycle."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np


@dataclass(frozen=True)
class Loop:
    """A pipelined loop: iterations of accesses (stream, writes, offset), all alike or by parity."""

    iterations: int
    interval: int
    depth: int
    bodies: tuple[tuple[tuple[int, bool, int], ...], ...]
    flushes: bool = False

    def body(self, i: int) -> tuple[tuple[int, bool, int], ...]:
        return self.bodies[i % len(self.bodies)]


@dataclass
class Network:
    """Processes, each a sequence of loops, and the depths of the streams between them."""

    depths: list[int]
    processes: list[list[Loop]] = field(default_factory=list)

    def trace(self) -> str:
        lines = [f"stream {i} {d} s{i}" for i, d in enumerate(self.depths)]
        accesses: dict[tuple[int, bool, int], int] = {}
        bodies: list[str] = []
        loops: list[str] = []
        process_bodies = []
        site = 0
        for loops_of_process in self.processes:
            items = []
            for loop in loops_of_process:
                ids = []
                for body in loop.bodies:
                    for access in body:
                        accesses.setdefault(access, len(accesses))
                    ids.append(len(bodies))
                    bodies.append(f"{len(body)} " + " ".join(f"a{accesses[access]}" for access in body))
                whole, rest = divmod(loop.iterations, len(ids))
                groups = []
                if whole:
                    groups.append(f"{whole} {len(ids)} " + " ".join(f"{i} 1" for i in ids))
                if rest:
                    groups.append(f"1 {rest} " + " ".join(f"{i} 1" for i in ids[:rest]))
                loops.append(f"{site} {len(groups)} " + " ".join(groups))
                items.append(f"n{site}")
                site += 1
            process_bodies.append(len(bodies))
            bodies.append(f"{len(items)} " + " ".join(items))
        lines += [f"site {i} p 1 f{i}\tx.cpp\t" for i in range(site)]
        lines += [f"access {n} {'w' if w else 'r'} {s} {o}\tx.cpp" for (s, w, o), n in accesses.items()]
        lines += [f"process {i} 1 p{i}\tx.cpp" for i in range(len(self.processes))]
        region = " ".join(f"{b} {i}" for i, b in enumerate(process_bodies))
        bodies.append(f"1 n{site}")
        lines += [f"body {i} {text}" for i, text in enumerate(bodies)]
        lines += [f"loop {i} {text}" for i, text in enumerate(loops)]
        lines += [f"region {site} 1 {len(self.processes)} {region}\tx.cpp", f"top {len(bodies) - 1}"]
        self._accesses = accesses
        return "\n".join(lines) + "\n"

    def schedule(self) -> str:
        lines, site = [], 0
        for loops in self.processes:
            for loop in loops:
                lines.append(f"site {site} p {loop.interval} {loop.depth} {int(loop.flushes)}")
                for body in loop.bodies:
                    lines += [f"offset {site} {self._accesses[a]} {a[2]}" for a in body]
                site += 1
        return "\n".join(lines) + "\n"


def stepped_cycles(network: Network) -> int | None:
    """Cycles of a network whose pipelines stall as a whole, one cycle after the other; None: deadlock.

    A process does its accesses in the order of their cycles in the pipeline, those of a cycle together: while one
    of them cannot be done, none is, and its pipeline stands still.
    """
    streams: list[deque[int]] = [deque() for _ in network.depths]  # cycle of the write
    freed: list[deque[int]] = [deque() for _ in network.depths]  # cycles of recent reads

    def possible(stream: int, writes: bool, time: int) -> bool:
        if writes:
            taken = len(streams[stream]) + sum(1 for t in freed[stream] if t >= time)
            return taken < network.depths[stream]
        return bool(streams[stream]) and streams[stream][0] < time

    plans = []
    for loops in network.processes:
        plan: list[tuple[int, list[tuple[int, list[tuple[int, bool]]]]]] = []
        for loop in loops:
            events = []
            for i in range(loop.iterations):
                for n, (stream, writes, offset) in enumerate(loop.body(i)):
                    events.append((i * loop.interval + offset, i, n, stream, writes))
            events.sort()
            last = (loop.iterations - 1) * loop.interval + loop.depth
            cycles = [(local, [(e[3], e[4]) for e in group]) for local, group in groupby(events, lambda e: e[0])]
            plan.append((last, cycles))
        plans.append(plan)
    state = [{"loop": 0, "event": 0, "local": 0, "ready": 1, "end": None} for _ in plans]
    time, idle = 1, 0
    longest = 20 + max((sum(p[0] for p in plan) for plan in plans), default=0)
    while any(s["end"] is None for s in state):
        progress = False
        for number, plan in enumerate(plans):
            s = state[number]
            while s["end"] is None and s["ready"] <= time:
                if s["loop"] == len(plan):
                    s["end"] = s["ready"]
                    progress = True
                    break
                last, events = plan[s["loop"]]
                if s.get("base") is None:
                    s["base"] = s["ready"] + 1
                    s["stalls"] = 0
                    s["event"] = 0
                if s["event"] == len(events):
                    s["ready"] = s["base"] + last + s["stalls"] + 1
                    s["base"] = None
                    s["loop"] += 1
                    progress = True
                    continue
                local, accesses = events[s["event"]]
                nominal = s["base"] + local + s["stalls"]
                if nominal > time:
                    progress = True  # it is on its way
                    break
                if not all(possible(stream, writes, time) for stream, writes in accesses):
                    break
                for stream, writes in accesses:
                    if writes:
                        streams[stream].append(time)
                    else:
                        streams[stream].popleft()
                        freed[stream].append(time)
                s["stalls"] += time - nominal
                s["event"] += 1
                progress = True
            else:
                if s["end"] is None:
                    progress = True
        idle = 0 if progress else idle + 1
        if idle > longest:
            return None
        time += 1
    return max(s["end"] for s in state) - 1


def random_network(rng: np.random.Generator, flushes: bool = False) -> Network:
    """A chain or a tree of 2 to 6 processes with balanced streams; some skip over others, so some deadlock."""
    n = int(rng.integers(2, 7))
    words = int(rng.integers(4, 40))
    edges = [(int(rng.integers(0, i)), i) for i in range(1, n)]
    for _ in range(int(rng.integers(0, 3))):
        a = int(rng.integers(0, n - 1))
        edges.append((a, int(rng.integers(a + 1, n))))
    network = Network([int(rng.integers(1, 9)) for _ in edges])
    for process in range(n):
        inputs = [i for i, (_, to) in enumerate(edges) if to == process]
        outputs = [i for i, (start, _) in enumerate(edges) if start == process]
        depth = int(rng.integers(1, 8))
        interval = int(rng.integers(1, 4))
        every = [(s, False, 0) for s in inputs] + [(s, True, int(rng.integers(0, depth))) for s in outputs]
        kind = rng.integers(0, 3)
        if kind == 0 or not inputs or not outputs:
            loops = [Loop(words, interval, depth, (tuple(every),), flushes)]
        elif kind == 1:  # all inputs first, then all outputs
            reading = tuple(a for a in every if not a[1])
            writing = tuple(a for a in every if a[1])
            loops = [
                Loop(words, interval, depth, (reading,), flushes),
                Loop(words, interval, depth, (writing,), flushes),
            ]
        else:  # every other iteration: reads in one, writes in the next
            reading = tuple(a for a in every if not a[1])
            writing = tuple(a for a in every if a[1])
            loops = [Loop(2 * words, interval, depth, (reading, writing), flushes)]
        network.processes.append(loops)
    return network
