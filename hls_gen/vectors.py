"""Golden vectors of a project: seeded inputs, their memory images, and what the reference computes of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hls_gen.golden.linear import linear, row_sums
from hls_gen.golden.stimulus import activations, layer_weights
from hls_gen.packing import pack_decode_scales, pack_decode_weights, pack_prefill_scales, pack_prefill_weights
from hls_gen.planning.types import CsimCase, DecodePlan, PrefillPlan, ProjectPlan


def _images(
    plan: PrefillPlan | DecodePlan, case: CsimCase, weights: np.ndarray, scales: np.ndarray
) -> tuple[list[bytes], bytes]:
    sums = row_sums(weights, scales)
    if isinstance(plan, DecodePlan):
        tb = plan.block_parallelism
        port = plan.weight_ports[0]
        images = pack_decode_weights(weights, tb, plan.weight_parallelism, len(plan.weight_ports), port.width_bits)
        return images, pack_decode_scales(scales, sums, tb, plan.scale_port.width_bits)
    engine = next(engine for engine in plan.engines if engine.name == case.module)
    width_bits = engine.weight_ports[0].width_bits
    images = pack_prefill_weights(weights, engine.columns, engine.sub_arrays, width_bits)
    return images, pack_prefill_scales(scales, sums, engine.scale_port.width_bits)


def make_vectors(plan: ProjectPlan) -> Iterator[tuple[str, bytes]]:
    """(path in the project, content) of each file, one linear layer after the other.

    Each layer has a random stream of its own, so that its data do not depend on the other layers of the model.
    """
    for number, case in enumerate(plan.csim_cases):
        rng = np.random.default_rng([plan.seed, number])
        layer = layer_weights(rng, case.d_out, case.d_in)
        x = activations(rng, case.tokens, case.d_in, case.first_corner)
        expected = linear(x, layer.weights, layer.scales)
        stage = plan.prefill if case.stage == "prefill" else plan.decode
        weights, scales = _images(stage, case, layer.weights, layer.scales)
        yield f"{case.folder}/activations.bin", x.astype("<f4").tobytes()
        yield f"{case.folder}/weights.bin", b"".join(weights)
        yield f"{case.folder}/scales.bin", scales
        yield f"{case.folder}/expected.bin", expected.astype("<f4").tobytes()
