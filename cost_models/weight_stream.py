"""The weight buffer of decode: ports that run ahead of the engine while it waits for attention, transforms and norms.

Time runs through a chain of calls and gaps. A call needs `stream` cycles of the weight ports and `compute` cycles of
the engine; a gap needs none of either. `level` is how far the ports are ahead, in cycles of their own time, at most
`room`. During a gap of g cycles the level rises to `min(room, level + g)`. A call takes

    time = max(compute, stream - level),    level' = min(room, level + time - stream):

weights leave the buffer evenly over a call, so it runs empty during the call or not at all. With room 0 that is
FlexLLM: each call takes the longer of its streaming and its computing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cost_models.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Step:
    """One call or gap of a chain. Without `stream` it is a gap; `free`: the part of it in which the weight ports may
    run ahead, 0 where something else has the ports or their channels.
    """

    module: str
    compute: FloatArray
    stream: FloatArray | None = None
    free: FloatArray | float = 1.0


def chain_cycles(
    layer: Sequence[Step], head: Sequence[Step], n_layers: int, room: FloatArray
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Cycles of a token, (n_points,), and of each module in it: `layer` so many times, then `head`.

    A token begins with the level that the token before left behind.
    """
    level = np.zeros_like(room)
    spent: dict[str, FloatArray] = {}
    for _ in range(2):  # the second token begins with what the first left behind
        spent = {}
        settled = np.zeros(len(room), dtype=bool)
        for done in range(n_layers):
            before = level
            once: dict[str, FloatArray] = {}
            level = _pass(layer, level, room, once)
            # Layers that begin as full as this one did take the same time: design by design, whatever stands beside it.
            times = np.where(settled, 0.0, np.where(level == before, float(n_layers - done), 1.0))
            for module, cycles in once.items():
                spent[module] = spent.get(module, 0.0) + times * cycles
            settled |= level == before
            if settled.all():
                break
        level = _pass(head, level, room, spent)
    return np.asarray(sum(spent.values(), np.zeros_like(room))), spent


def _pass(steps: Sequence[Step], level: FloatArray, room: FloatArray, spent: dict[str, FloatArray]) -> FloatArray:
    for step in steps:
        if step.stream is None:
            time = step.compute
            level = np.minimum(room, level + time * step.free)
        else:
            time = np.maximum(step.compute, step.stream - level)
            level = np.minimum(room, level + time - step.stream)
        spent[step.module] = spent[step.module] + time if step.module in spent else time
    return level
