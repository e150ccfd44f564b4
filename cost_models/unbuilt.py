"""Choices that our library has no template for: its own law for the nearest design that it builds, times what the choices
change by the laws of FlexLLM's kernels, which know all of them.

    cycles = library(nearest built) x flexllm(asked) / flexllm(nearest built)

Without the ratio a choice would switch from one family of laws to the other, and the few percent between the two would
stand where the effect of the choice belongs. The ratio is at most 1 for a choice that takes work away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cost_models.arrays import FloatArray
from cost_models.stage_cost import ModuleCycles

UNBUILT_SOURCE = "{}; choices without a template: x the change by FlexLLM's loop bounds"


def change(asked: FloatArray, built: FloatArray) -> FloatArray:
    """asked / built, (n_points,), 1 where there is nothing to compare."""
    return np.divide(asked, built, out=np.ones(np.shape(asked)), where=np.asarray(built) > 0)


def changed_modules(
    library: Sequence[ModuleCycles], asked: Sequence[ModuleCycles], built: Sequence[ModuleCycles], cycles: FloatArray
) -> tuple[ModuleCycles, ...]:
    """The library's modules, each changed as FlexLLM's is; their critical cycles sum to `cycles`, (n_points,)."""
    before = {module.name: module for module in built}
    after = {module.name: module for module in asked}
    shares = [module.critical * change(after[module.name].critical, before[module.name].critical) for module in library]
    scale = change(cycles, sum(shares, np.zeros(len(cycles))))
    return tuple(
        replace(
            module,
            critical=share * scale,
            busy=module.busy * change(after[module.name].busy, before[module.name].busy),
            hbm_bound=after[module.name].hbm_bound,
            source=UNBUILT_SOURCE.format(module.source),
        )
        for module, share in zip(library, shares, strict=True)
    )
