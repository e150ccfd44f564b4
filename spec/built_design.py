"""The design that a generated project really is."""

from __future__ import annotations

from spec.design_point import DesignPoint

_BUILT = {
    "prefill": {"process_granularity": "array"},
    "decode": {"process_granularity": "array", "dequantizer": "pipelined"},
}


def as_built(design: DesignPoint) -> DesignPoint:
    """`design` as our generator builds it, whatever it was priced as: a row of elements is one process, and the loop of
    decode's dequantizer is a pipeline.

    These are the choices that the generator does not follow: `element` and `unpipelined` describe FlexLLM's kernels.
    """
    stages = {}
    for stage, choices in _BUILT.items():
        chosen = getattr(design, stage)
        stages[stage] = chosen.model_copy(update={"modules": chosen.modules.model_copy(update=choices)})
    return design.model_copy(update=stages)


def built_otherwise(design: DesignPoint) -> str | None:
    """What the generator builds otherwise than the design is priced, in words; None where it builds what is priced."""
    stages = [
        stage
        for stage, chosen in (("prefill", design.prefill), ("decode", design.decode))
        if chosen.modules.process_granularity != "array"
    ]
    if not stages:
        if design.decode.modules.dequantizer == "pipelined":
            return None
        return (
            "decode: the design is priced with FlexLLM's dequantizer (dequantizer: unpipelined), the project is built with a "
            "pipelined one. Set decode.modules.dequantizer: pipelined to price what is built"
        )
    return (
        f"{' and '.join(stages)}: the design is priced as FlexLLM's kernels (process_granularity: element), the project "
        "is built as rows of elements (array). Compare it with the models' figures for array, not with those for element"
    )
