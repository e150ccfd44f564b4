"""The weight buffer of decode against a clock that ticks, and its limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_models.evaluate import Context, price_decode
from cost_models.stage_cost import StageCost
from cost_models.weight_stream import Step, chain_cycles
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.legality import decode_rules
from spec.module_choices import DecodeModules
from spec.quant_scheme import W4A4KV8
from spec.workload import Workload

LLAMA, U280 = load_model("llama-3.2-1b"), load_device("u280")
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)
TICK = 0.125

# (cycles of computing, cycles of the ports or None for a gap, whether the ports may run ahead in it)
Call = tuple[float, float | None, bool]
CALLS = st.tuples(st.integers(0, 30).map(float), st.one_of(st.none(), st.integers(0, 40).map(float)), st.booleans())


def ticking(layer: list[Call], head: list[Call], n_layers: int, room: float) -> float:
    """Time of the second token, tick by tick: the port fills, the engine empties in step with what it computes."""
    level = time = 0.0
    for _ in range(2):
        time = 0.0
        for call in [*layer * n_layers, *head]:
            compute, stream, free = call
            if stream is None:
                for _ in range(round(compute / TICK)):
                    time += TICK
                    level = min(room, level + TICK * free)
                continue
            done, left = 0.0, 1.0
            while left > 1e-9:
                pace = 1.0 if compute == 0 else min(1.0, TICK / compute)
                fed = 1.0 if stream == 0 else (level + TICK) / stream
                part = min(left, pace, fed)
                if compute == 0 and stream <= level:
                    level, left = level - stream * part, left - part  # at once: all of it waits in the buffer
                    continue
                left -= part
                level = min(room, level + TICK - stream * part)
                done += TICK
            time += done
    return time


@given(
    layer=st.lists(CALLS, min_size=1, max_size=5), head=st.lists(CALLS, min_size=1, max_size=3),
    n_layers=st.integers(1, 4), room=st.integers(0, 60).map(float),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_against_a_ticking_clock(layer: list[Call], head: list[Call], n_layers: int, room: float) -> None:
    def steps(calls: list[Call]) -> list[Step]:
        return [
            Step("x", np.array([compute]), None if stream is None else np.array([stream]), float(free))
            for compute, stream, free in calls
        ]

    law, spent = chain_cycles(steps(layer), steps(head), n_layers, np.array([room]))
    ticks = (n_layers * len(layer) + len(head)) * 4 * TICK  # the last tick of each call is not whole
    assert law[0] == pytest.approx(ticking(layer, head, n_layers, room), abs=ticks + 1e-6)
    assert law[0] == pytest.approx(sum(float(cycles[0]) for cycles in spent.values()))


def test_a_design_is_priced_alike_whatever_stands_beside_it(same_bits: Any) -> None:
    """Buffers fill after different numbers of layers, with times that no binary fraction holds."""
    rng = np.random.default_rng(3)
    n = 40
    layer = [
        Step("gap", rng.uniform(0, 50, n)),
        Step("call", rng.uniform(0, 90, n), rng.uniform(0, 90, n)),
        Step("other", rng.uniform(0, 90, n), rng.uniform(0, 90, n), 0.3),
    ]
    room = rng.uniform(0, 200, n)

    def alone(step: Step, i: int) -> Step:
        stream = None if step.stream is None else step.stream[i : i + 1]
        return Step(step.module, step.compute[i : i + 1], stream, step.free)

    together, spent = chain_cycles(layer, layer[:2], 16, room)
    for i in range(n):
        steps = [alone(step, i) for step in layer]
        one, parts = chain_cycles(steps, steps[:2], 16, room[i : i + 1])
        assert same_bits(together[i : i + 1], one)
        assert all(same_bits(spent[name][i : i + 1], cycles) for name, cycles in parts.items())


def design(beats: int, **choices: Any) -> DesignPoint:
    """FlexLLM's measured decode with its caches on channels of their own and a buffer of weights."""
    base = load_design("flexllm-u280")
    modules = DecodeModules.model_validate({"dequantizer": "pipelined", "weight_buffer_beats": beats, **choices})
    others = iter([*range(5), *range(13, 16), *range(24, 32)])  # channels without weights
    ports = []
    for port in base.memory_map.ports:
        if "weights" in port.roles:
            cache = next(role for role in port.roles if role != "weights")
            ports.append(port.model_copy(update={"roles": ("weights",)}))
            moved = {"name": f"cache_{port.name}", "roles": (cache,), "channel": next(others)}
            ports.append(port.model_copy(update=moved))
        else:
            ports.append(port)
    return base.model_copy(
        update={
            "decode": base.decode.model_copy(update={"modules": modules}),
            "memory_map": base.memory_map.model_copy(update={"ports": tuple(ports)}),
        }
    )


def faster_engine(beats: int, **choices: Any) -> DesignPoint:
    """Twice the lanes on the same ports: the engine empties the buffer faster than the ports fill it."""
    point = design(beats, **choices)
    return point.model_copy(update={"decode": point.decode.model_copy(update={"block_parallelism": 32})})


def cost(point: DesignPoint) -> StageCost:
    batch = DesignBatch.from_points([point], U280).decode
    return price_decode(batch, Context(LLAMA, U280, WORKLOAD, W4A4KV8))


def test_more_room_never_costs_cycles_and_ends_at_the_ports() -> None:
    rooms = [1, 64, 512, 2048, 8192, 32_768, 131_072, 1_048_576]
    found = [float(cost(faster_engine(beats)).cycles[0]) for beats in rooms]
    assert found == sorted(found, reverse=True)
    # All bytes of a token over 16 ports of 32 bytes a cycle.
    weights = float(cost(faster_engine(1)).traffic_bytes["weights"][0])
    port_cycles = weights / (16 * 32)
    assert found[-1] >= port_cycles
    assert found[0] > 1.15 * found[-1]


def test_a_buffer_that_cannot_be_used_changes_nothing() -> None:
    """One step of room and ports that feed the engine step by step: FlexLLM's time but for a step and the restarts."""
    plain, buffered = cost(design(0)), cost(design(1))
    assert float(buffered.cycles[0]) == pytest.approx(float(plain.cycles[0]), rel=0.01)
    assert float(buffered.cycles[0]) <= float(plain.cycles[0])


def test_bandwidth_bound_decode_meets_the_ports() -> None:
    """With everything but the weights hidden or small, a step takes the time of its weights."""
    choices = {"hadamard": "streaming", "hadamard_width": 32, "kv_read": "per_kv_head", "softmax": "pipelined",
               "softmax_width": 4}  # fmt: skip
    point = cost(faster_engine(1_048_576, **choices))
    port_cycles = float(point.traffic_bytes["weights"][0]) / (16 * 32)
    assert 1.0 <= float(point.cycles[0]) / port_cycles < 1.02


def test_weights_on_the_chip_leave_the_ports_alone() -> None:
    kept = cost(design(4096, on_chip_projections=["q", "k", "v", "o"]))
    plain = cost(design(4096))
    per_layer = 2048 * (2 * 2048 + 2 * 512) / 2
    saved = plain.traffic_bytes["weights"][0] - kept.traffic_bytes["weights"][0]
    assert saved == 16 * per_layer
    assert kept.resources.uram[0] - plain.resources.uram[0] >= saved / 36_864
    assert kept.cycles[0] <= plain.cycles[0]


def test_rules_of_the_buffer() -> None:
    def broken(point: DesignPoint) -> set[str]:
        batch = DesignBatch.from_points([point], U280).decode
        return {rule.constraint for rule in decode_rules(batch, LLAMA, U280, W4A4KV8) if rule.broken[0]}

    assert "port_feeds_lanes" in broken(faster_engine(0))
    assert "port_feeds_lanes" not in broken(faster_engine(64))
    on_shared_ports = load_design("flexllm-u280")
    modules = DecodeModules(overlap_attention="on")
    shared = on_shared_ports.model_copy(
        update={"decode": on_shared_ports.decode.model_copy(update={"modules": modules})}
    )
    assert "cache_apart" in broken(shared)
    assert "cache_apart" not in broken(design(0, overlap_attention="on"))
    assert "fused_kv" in broken(design(0, on_chip_projections=["k"]))
