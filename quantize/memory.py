"""How much memory an evaluation needs, said before weights are loaded and again before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from quantize.available_memory import available_bytes
from spec.errors import FlexDSEError, InputError
from spec.model_config import ModelConfig

_FP32_BYTES = 4
# Live copies of the weights: fp32 as loaded, fp32 rotated, and the rounded integers of about two widths. While rotating
# there are three of fp32 instead, the same sum.
_WEIGHT_BYTES = 2 * _FP32_BYTES + 2 * 2
# Arrays of a window that live at once: scores, exponentials and their rounding (tokens x tokens of one head).
_SCORE_ARRAYS = 5
_HIDDEN_ARRAYS = 8
_LOGIT_TOKENS = 256  # as quantize.evaluation keeps at once
_LEAST_WINDOW = 128  # tokens of the shortest window that is proposed
# GPTQ of the widest layer in fp64: Hessian, its permuted and damped copies, inverse and factor.
_HESSIAN_ARRAYS = 5
_FP64_BYTES = 8


def weights_bytes(config: ModelConfig) -> int:
    """Bytes of all copies of the weights on the host, to about a third."""
    return _WEIGHT_BYTES * (config.parameters + (config.lm_head_weights if config.tied_embeddings else 0))


def window_bytes(config: ModelConfig, window_tokens: int) -> int:
    """Bytes of a window's arrays and of the layer in use, where the products are done: host or GPU."""
    widest = max(config.ffn_dim * 2, config.q_dim + 2 * config.kv_dim)
    activations = _FP32_BYTES * window_tokens * (_SCORE_ARRAYS * window_tokens + _HIDDEN_ARRAYS * widest)
    layer = _FP32_BYTES * max(widest * config.hidden_dim, config.lm_head_weights)
    return activations + layer + 4 * _FP32_BYTES * _LOGIT_TOKENS * config.vocab_size


def calibration_bytes(config: ModelConfig, windows: int, window_tokens: int) -> int:
    """Bytes that GPTQ takes beside the weights: the Hessian of the widest input, and all calibration windows at once."""
    hessian = _FP64_BYTES * _HESSIAN_ARRAYS * max(config.ffn_dim, config.hidden_dim, config.q_dim) ** 2
    widest = max(config.ffn_dim * 2, config.q_dim + 2 * config.kv_dim)
    per_window = _SCORE_ARRAYS * window_tokens**2 + _HIDDEN_ARRAYS * window_tokens * widest
    return hessian + _FP32_BYTES * windows * per_window


def evaluation_bytes(config: ModelConfig, window_tokens: int, calibration: tuple[int, int] | None = None) -> int:
    """Bytes that evaluating windows of that many tokens takes, to about a third.

    `calibration`: windows and tokens of each for GPTQ, None for rounding to nearest.
    """
    work = window_bytes(config, window_tokens)
    return weights_bytes(config) + max(work, calibration_bytes(config, *calibration) if calibration else 0)


def live_bytes(arrays: Iterable[npt.NDArray[np.generic]]) -> int:
    """Bytes of arrays that are in memory already; one that has several names counts once."""
    return sum({id(array): array.nbytes for array in arrays}.values())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the host or a device is full: PyTorch raises a RuntimeError of that text."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "memory" in str(error).lower())


@contextmanager
def guarded(doing: str, config: ModelConfig, calibration: tuple[int, int] | None = None) -> Iterator[None]:
    """Where memory ends while `doing`, say what would fit.

    `calibration`: windows and tokens of each, where the work is on all of them at once.

    Raises:
        FlexDSEError: out of memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        needed, free = evaluation_bytes(config, _LEAST_WINDOW, calibration), available_bytes()
        fewer = "" if calibration is None else "fewer --calibration-windows, --rounding rtn, "
        raise FlexDSEError(
            f"out of memory while {doing}",
            field="model",
            value=config.name,
            rule=f"about {needed / 1e9:.1f} GB together" + ("" if free is None else f"; {free / 1e9:.1f} GB are left"),
            hint=f"take {fewer}a smaller model, or raise the limit of memory (ulimit -v, control group, machine); "
            "what was kept so far is not done again",
        ) from error


def check_loadable(config: ModelConfig, available: int | None = None) -> None:
    """Refuse a model that no window would fit beside, from its configuration, before its weights are loaded.

    Raises:
        InputError: more memory needed than there is.
    """
    free = available_bytes() if available is None else available
    needed = evaluation_bytes(config, _LEAST_WINDOW)
    if free is not None and needed > free:
        raise InputError(
            f"{config.name} does not fit into memory",
            field="model",
            value=f"{needed / 1e9:.1f} GB",
            rule=f"at most the {free / 1e9:.1f} GB that are free",
            hint=f"take a machine with {needed / 1e9:.0f} GB free, or a smaller model",
        )


def check_memory(
    config: ModelConfig,
    window_tokens: int,
    available: int | None = None,
    *,
    live: int = 0,
    calibration: tuple[int, int] | None = None,
    gpu_free: int | None = None,
) -> None:
    """Refuse what will not fit, and say what would.

    Args:
        available: free bytes of the host, by default what the system says.
        live: bytes of the weights that are in memory already, so that `available` is what is free beside them.
        calibration: windows and tokens of each that GPTQ has still to see.
        gpu_free: free bytes of the GPU where windows and calibration are computed, None on the host.

    Raises:
        InputError: more memory needed than there is.
    """
    host = available_bytes() if available is None else available
    rest = max(weights_bytes(config) - live, 0)
    gptq = calibration_bytes(config, *calibration) if calibration else 0

    def short(window: int) -> tuple[str, int, int] | None:
        """(where, needed, free) of the first memory that is too small."""
        work = max(window_bytes(config, window), gptq)
        places = [("memory", rest + (gptq if gpu_free is not None else work), host)]
        if gpu_free is not None:
            places.append(("memory of the GPU", work, gpu_free))
        return next(((name, needed, free) for name, needed, free in places if free is not None and needed > free), None)

    if (found := short(window_tokens)) is None:
        return
    fits = window_tokens
    while fits > _LEAST_WINDOW and short(fits) is not None:
        fits //= 2
    name, needed, free = found
    smaller = "a machine" if gpu_free is None or name == "memory" else "a GPU"
    way_out = (
        f"take --window {fits}"
        if short(fits) is None
        else f"no window fits: take {smaller} with {needed / 1e9:.0f} GB free, a smaller model"
        + (", fewer --calibration-windows or --rounding rtn" if gptq else "")
    )
    raise InputError(
        f"evaluating {config.name} does not fit into {name}",
        field="window",
        value=f"{needed / 1e9:.1f} GB",
        rule=f"at most the {free / 1e9:.1f} GB that are free",
        hint=way_out,
    )
