"""Array backends of the evaluator: NumPy everywhere, PyTorch (CPU or GPU) where it is installed and asked for.

Both do each fp32 operation separately and rounded once, so that quantizers and integer layers agree bit for bit; sums
inside norms, softmax and floating-point products may differ in their order (`docs/quality.md`).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spec.errors import FlexDSEError, InputError

# An array of the backend; both kinds share operators, slicing and reshape.
Array = Any

EXACT_FP32 = 2**24  # integers up to here are exact in fp32, in any order of summation
INT8_PRODUCT = 2**14  # the largest product of two int8


class Arrays(Protocol):
    """What the evaluator asks of a backend. Reductions run along the last axis and keep it."""

    name: str

    def free_bytes(self) -> int | None: ...
    def asarray(self, values: npt.NDArray[Any]) -> Array: ...
    def to_numpy(self, values: Array) -> npt.NDArray[Any]: ...
    def matmul(self, a: Array, b: Array) -> Array: ...
    def integer_sums(self, q: Array, weight: Array, bound: int) -> Array: ...
    def transpose(self, a: Array) -> Array: ...
    def swap(self, a: Array, first: int, second: int) -> Array: ...
    def concatenate(self, parts: list[Array]) -> Array: ...
    def rint(self, a: Array) -> Array: ...
    def clip(self, a: Array, low: float, high: float) -> Array: ...
    def abs(self, a: Array) -> Array: ...
    def exp(self, a: Array) -> Array: ...
    def sqrt(self, a: Array) -> Array: ...
    def max(self, a: Array) -> Array: ...
    def min(self, a: Array) -> Array: ...
    def sum(self, a: Array) -> Array: ...
    def where(self, condition: Array, a: Array, b: Array | float) -> Array: ...


class NumpyArrays:
    """The default; its integer sums go through exact fp32 products of BLAS."""

    name = "numpy"

    def free_bytes(self) -> int | None:
        """None: arrays lie in the machine's own memory."""
        return None

    def asarray(self, values: npt.NDArray[Any]) -> Array:
        return values

    def to_numpy(self, values: Array) -> npt.NDArray[Any]:
        return np.asarray(values)

    def matmul(self, a: Array, b: Array) -> Array:
        return np.matmul(a, b)

    def integer_sums(self, q: Array, weight: Array, bound: int) -> Array:
        """Exact q (..., n, k) @ weight (..., k, m) of integers held as fp32, each product at most `bound`; fp64."""
        step = max(EXACT_FP32 // bound, 1)
        terms = q.shape[-1]
        if terms <= step:
            return np.matmul(q, weight)
        total = None
        for first in range(0, terms, step):
            part = np.matmul(q[..., first : first + step], weight[..., first : first + step, :]).astype(np.float64)
            total = part if total is None else np.add(total, part, out=total)
        return total

    def transpose(self, a: Array) -> Array:
        return np.swapaxes(a, -1, -2)

    def swap(self, a: Array, first: int, second: int) -> Array:
        return np.swapaxes(a, first, second)

    def concatenate(self, parts: list[Array]) -> Array:
        return np.concatenate(parts, axis=-1)

    def rint(self, a: Array) -> Array:
        return np.rint(a)

    def clip(self, a: Array, low: float, high: float) -> Array:
        return np.clip(a, np.float32(low), np.float32(high))

    def abs(self, a: Array) -> Array:
        return np.abs(a)

    def exp(self, a: Array) -> Array:
        return np.exp(a)

    def sqrt(self, a: Array) -> Array:
        return np.sqrt(a)

    def max(self, a: Array) -> Array:
        return a.max(axis=-1, keepdims=True)

    def min(self, a: Array) -> Array:
        return a.min(axis=-1, keepdims=True)

    def sum(self, a: Array) -> Array:
        return a.sum(axis=-1, keepdims=True)

    def where(self, condition: Array, a: Array, b: Array | float) -> Array:
        return np.where(condition, a, np.float32(b) if isinstance(b, float) else b)


class TorchArrays:
    """The same on PyTorch. Products of fp32 stay fp32: TF32 would round the integers of the exact sums."""

    def __init__(self, device: str = "cpu") -> None:
        try:
            import torch
        except ImportError as error:
            raise FlexDSEError(
                "PyTorch is not installed",
                field="backend",
                value="torch",
                rule="the optional extra flexdse[quality]",
                hint="take --backend numpy, or install PyTorch: its CPU build, as pytorch.org says, "
                "unless you have a GPU (the default build on Linux brings gigabytes of CUDA)",
            ) from error
        if device != "cpu" and not torch.cuda.is_available():
            raise InputError(
                f"PyTorch sees no device {device}",
                field="backend",
                value=device,
                rule="cpu, or a CUDA device that torch.cuda reports",
                hint="take --backend torch for the CPU",
            )
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.set_grad_enabled(False)
        self._torch = torch
        self._device = torch.device(device)
        self.name = "torch" if device == "cpu" else device  # one of BACKENDS

    def free_bytes(self) -> int | None:
        """Free memory of the GPU; None on the CPU, where arrays lie in the machine's own memory."""
        return None if self._device.type == "cpu" else int(self._torch.cuda.mem_get_info(self._device)[0])

    def asarray(self, values: npt.NDArray[Any]) -> Array:
        return self._torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def to_numpy(self, values: Array) -> npt.NDArray[Any]:
        return np.asarray(values.cpu().numpy())

    def matmul(self, a: Array, b: Array) -> Array:
        return self._torch.matmul(a, b)

    def integer_sums(self, q: Array, weight: Array, bound: int) -> Array:
        terms = q.shape[-1]
        exact = terms * bound <= EXACT_FP32
        if self._device.type == "cpu" and bound <= INT8_PRODUCT and q.ndim == 2 and len(q) > 1:
            # The int8 product of the CPU adds in int32: exact, and twice as fast as fp32.
            sums = self._torch._int_mm(q.to(self._torch.int8), weight.to(self._torch.int8))
            return sums.float() if exact else sums.double()
        if exact:
            return self._torch.matmul(q, weight)
        step = max(EXACT_FP32 // bound, 1)
        total = None
        for first in range(0, terms, step):
            part = self._torch.matmul(q[..., first : first + step], weight[..., first : first + step, :]).double()
            total = part if total is None else total.add_(part)
        return total

    def transpose(self, a: Array) -> Array:
        return a.transpose(-1, -2)

    def swap(self, a: Array, first: int, second: int) -> Array:
        return a.transpose(first, second)

    def concatenate(self, parts: list[Array]) -> Array:
        return self._torch.cat(parts, dim=-1)

    def rint(self, a: Array) -> Array:
        return self._torch.round(a)  # ties to even, as np.rint

    def clip(self, a: Array, low: float, high: float) -> Array:
        return self._torch.clamp(a, low, high)

    def abs(self, a: Array) -> Array:
        return self._torch.abs(a)

    def exp(self, a: Array) -> Array:
        return self._torch.exp(a)

    def sqrt(self, a: Array) -> Array:
        return self._torch.sqrt(a)

    def max(self, a: Array) -> Array:
        return a.amax(dim=-1, keepdim=True)

    def min(self, a: Array) -> Array:
        return a.amin(dim=-1, keepdim=True)

    def sum(self, a: Array) -> Array:
        return a.sum(dim=-1, keepdim=True)

    def where(self, condition: Array, a: Array, b: Array | float) -> Array:
        return self._torch.where(condition, a, b)


BACKENDS = ("numpy", "torch", "cuda")


def open_arrays(name: str) -> Arrays:
    """The backend of that name: `numpy`, `torch` (its CPU) or `cuda` (its GPU).

    Raises:
        InputError: no such backend or device.
        FlexDSEError: PyTorch is not installed.
    """
    if name == "numpy":
        return NumpyArrays()
    if name in BACKENDS:
        return TorchArrays("cpu" if name == "torch" else "cuda")
    raise InputError(
        f"unknown backend {name!r}",
        field="backend",
        value=name,
        rule=f"one of {', '.join(BACKENDS)}",
        hint="take numpy",
    )
