"""The design that a generated project really is."""

from __future__ import annotations

from spec.design_point import DesignPoint


def as_built(design: DesignPoint) -> DesignPoint:
    """`design` as our generator builds it: a row of elements is one process, whatever the design was priced as.

    `process_granularity` is the one choice that the generator does not follow: `element` describes FlexLLM's kernels.
    """
    stages = {}
    for stage in ("prefill", "decode"):
        chosen = getattr(design, stage)
        modules = chosen.modules.model_copy(update={"process_granularity": "array"})
        stages[stage] = chosen.model_copy(update={"modules": modules})
    return design.model_copy(update=stages)


def built_otherwise(design: DesignPoint) -> str | None:
    """What the generator builds otherwise than the design is priced, in words; None where it builds what is priced."""
    stages = [
        stage
        for stage, chosen in (("prefill", design.prefill), ("decode", design.decode))
        if chosen.modules.process_granularity != "array"
    ]
    if not stages:
        return None
    return (
        f"{' and '.join(stages)}: the design is priced as FlexLLM's kernels (process_granularity: element), the project "
        "is built as rows of elements (array). Compare it with the models' figures for array, not with those for element"
    )
