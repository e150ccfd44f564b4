"""QuantizedCheckpoint: the integers, scales and row sums that a generated design computes on, in one safetensors file.

Written by `quantize/`, read by the weight packer and the golden reference. The file's metadata has one key, `flexdse`,
whose value is the JSON of `CheckpointHeader`. Tensors (names without "model.", as in a Hugging Face checkpoint):

| name | type | shape | meaning |
|---|---|---|---|
| `embed_tokens.weight` | F32 | (vocab_size, hidden_dim) | rows that enter the residual stream, R1 folded in |
| `layers.{i}.self_attn.{q,k,v,o}_proj.weight` | I8 | (d_out, d_in) | integers, symmetric: -2^(b-1) .. 2^(b-1)-1 |
| `layers.{i}.mlp.{gate,up,down}_proj.weight` | I8 | (d_out, d_in) | the same |
| `lm_head.weight` | I8 | (vocab_size, hidden_dim) | the same; present for tied embeddings too |
| `<linear>.scale` | F32 | (d_out, groups) | weight = integer * scale; groups = 1 for one scale a channel |
| `<linear>.row_sum` | F32 | (d_out, groups) | fp32(sum of the integers of the group) (x) scale |
| `<linear>.bias` | F32 | (d_out,) | only where the model has one |
| `layers.{i}.input_layernorm.weight`, `layers.{i}.post_attention_layernorm.weight`, `norm.weight` | F32 | (hidden_dim,) | all ones where the header says `norms_folded` |
| `layers.{i}.self_attn.{q,k}_norm.weight` | F32 | (head_dim,) | only with QK-norm |
| `layers.{i}.self_attn.q_scale` | F32 | (n_q_heads,) | static scale of q / sqrt(head_dim) after RoPE (and R3), `attention_bits` signed |
| `layers.{i}.self_attn.{k,v}_scale` | F32 | (n_kv_heads,) | static scale of k after RoPE (and R3), of v, `kv_bits` signed |
| `rope.inverse_frequencies` | F32 | (head_dim / 2,) | RoPE with its scaling applied: angle = position * entry |

Folded rotations (R1, R2, and the weights' side of R4) are already in the integers; a reader has to perform only those
that the header lists under `online_rotations`, with the matrices of `spec/hadamard_matrix.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from spec.errors import InputError, echo
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.strict import StrictModel, parse_json, validate

if TYPE_CHECKING:
    from collections.abc import Iterator

METADATA_KEY = "flexdse"
WEIGHTS_FILE = "quantized.safetensors"
TOKENIZER_FILE = "tokenizer.json"

Rotation = Literal["r1", "r2", "r3", "r4"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fp32 = npt.NDArray[np.float32]
Int8 = npt.NDArray[np.int8]
Tensors = dict[str, npt.NDArray[Any]]

LAYER_LINEARS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


class CheckpointSource(StrictModel):
    """Where the unquantized weights came from."""

    kind: Literal["gguf", "hugging_face", "arrays"]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    sha256: Sha256
    license: str | None = None


class CalibrationText(StrictModel):
    """The text whose activations set the static scales and, with GPTQ, the rounding."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    sha256: Sha256
    windows: Annotated[int, Field(ge=1)]
    window_tokens: Annotated[int, Field(ge=2)]


class CheckpointHeader(StrictModel):
    """What the tensors are and how they were made."""

    schema_name: Annotated[Literal["flexdse/quantized-checkpoint/v1"], Field(alias="schema")] = (
        "flexdse/quantized-checkpoint/v1"
    )
    flexdse_version: str
    model: ModelConfig
    quant_scheme: QuantScheme
    weight_rounding: Literal["rtn", "gptq"]
    weight_bits: dict[str, Annotated[int, Field(ge=2, le=8)]]  # of each linear layer by its name in the file
    folded_rotations: tuple[Rotation, ...]
    online_rotations: tuple[Rotation, ...]
    norms_folded: bool
    rotation_seed: int
    source: CheckpointSource
    calibration: CalibrationText
    content_sha256: Sha256


class QuantizedLinear(NamedTuple):
    """One linear layer; see the table above for shapes."""

    weight: Int8
    scale: Fp32
    row_sum: Fp32
    bias: Fp32 | None


@dataclass(frozen=True, eq=False)
class QuantizedCheckpoint:
    """A validated file in memory."""

    header: CheckpointHeader
    tensors: Tensors

    @property
    def model(self) -> ModelConfig:
        return self.header.model

    def linear(self, name: str) -> QuantizedLinear:
        """The layer of that name, for example `layers.0.mlp.down_proj` or `lm_head`."""
        return QuantizedLinear(
            self.tensors[f"{name}.weight"],
            self.tensors[f"{name}.scale"],
            self.tensors[f"{name}.row_sum"],
            self.tensors.get(f"{name}.bias"),
        )

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.tensors[name]


def linear_names(model: ModelConfig) -> tuple[str, ...]:
    """Names of all linear layers in the order of the computation, `lm_head` last."""
    return (*(f"layers.{i}.{name}" for i in range(model.n_layers) for name in LAYER_LINEARS), "lm_head")


def linear_shape(model: ModelConfig, name: str) -> tuple[int, int]:
    """(d_out, d_in) of the linear layer of that name."""
    hidden, ffn = model.hidden_dim, model.ffn_dim
    return {
        "q_proj": (model.q_dim, hidden),
        "k_proj": (model.kv_dim, hidden),
        "v_proj": (model.kv_dim, hidden),
        "o_proj": (hidden, model.q_dim),
        "gate_proj": (ffn, hidden),
        "up_proj": (ffn, hidden),
        "down_proj": (hidden, ffn),
        "lm_head": (model.vocab_size, hidden),
    }[name.rpartition(".")[2]]


def has_bias(model: ModelConfig, name: str) -> bool:
    """Whether the linear layer of that name adds a bias."""
    short = name.rpartition(".")[2]
    return (short in ("q_proj", "k_proj", "v_proj") and model.qkv_bias) or (short == "o_proj" and model.output_bias)


def float_shapes(model: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors that are fp32 in every checkpoint, scales and row sums apart."""
    hidden = (model.hidden_dim,)
    shapes: dict[str, tuple[int, ...]] = {
        "embed_tokens.weight": (model.vocab_size, model.hidden_dim),
        "norm.weight": hidden,
        "rope.inverse_frequencies": (model.head_dim // 2,),
    }
    for i in range(model.n_layers):
        shapes[f"layers.{i}.input_layernorm.weight"] = hidden
        shapes[f"layers.{i}.post_attention_layernorm.weight"] = hidden
        for operand, heads in _operand_heads(model).items():
            shapes[f"layers.{i}.self_attn.{operand}_scale"] = (heads,)
        if model.qk_norm:
            shapes[f"layers.{i}.self_attn.q_norm.weight"] = (model.head_dim,)
            shapes[f"layers.{i}.self_attn.k_norm.weight"] = (model.head_dim,)
    shapes.update({f"{n}.bias": linear_shape(model, n)[:1] for n in linear_names(model) if has_bias(model, n)})
    return shapes


def _operand_heads(model: ModelConfig) -> dict[str, int]:
    return {"q": model.n_q_heads, "k": model.n_kv_heads, "v": model.n_kv_heads}


def row_sums(weight: Int8, scale: Fp32) -> Fp32:
    """`R = fp32(sum of the integers of a group) (x) scale`, (d_out, groups), of `weight` (d_out, d_in)."""
    d_out, groups = scale.shape
    sums = weight.reshape(d_out, groups, -1).sum(axis=2, dtype=np.int64)
    return np.asarray(np.multiply(sums.astype(np.float32), scale), dtype=np.float32)


def content_sha256(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """One hash over names, types, shapes and bytes, independent of the order in the file."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _refuse(message: str, field: str, value: object, rule: str, hint: str, source: str | None) -> InputError:
    return InputError(message, field=field, value=value, rule=rule, hint=hint, source=source)


def _check_tensor(
    tensors: Mapping[str, npt.NDArray[Any]], name: str, shape: tuple[int | None, ...], dtype: str, source: str | None
) -> npt.NDArray[Any]:
    if name not in tensors:
        raise _refuse(
            f"tensor {echo(name)} is missing",
            name,
            None,
            "a checkpoint of this model has it",
            "quantize the checkpoint again",
            source,
        )
    array = tensors[name]
    fits = array.ndim == len(shape) and all(s is None or s == t for s, t in zip(shape, array.shape, strict=True))
    if not fits or array.dtype != np.dtype(dtype):
        wanted = "x".join("groups" if s is None else str(s) for s in shape)
        raise _refuse(
            f"tensor {echo(name)} has another shape or type",
            name,
            f"{array.dtype} {'x'.join(map(str, array.shape))}",
            f"{np.dtype(dtype)} {wanted}",
            "the file belongs to another model, or was written by something else",
            source,
        )
    return array


def _check_linear(
    header: CheckpointHeader, tensors: Mapping[str, npt.NDArray[Any]], name: str, source: str | None
) -> Iterator[str]:
    d_out, d_in = linear_shape(header.model, name)
    weight = _check_tensor(tensors, f"{name}.weight", (d_out, d_in), "int8", source)
    scale = _check_tensor(tensors, f"{name}.scale", (d_out, None), "float32", source)
    if scale.shape[1] == 0 or d_in % scale.shape[1]:
        raise _refuse(
            f"{scale.shape[1]} groups do not divide the inputs of {echo(name)}",
            f"{name}.scale",
            scale.shape[1],
            f"a divisor of {d_in}",
            "quantize with a group size that divides the layer's inputs",
            source,
        )
    row_sum = _check_tensor(tensors, f"{name}.row_sum", scale.shape, "float32", source)
    bits = header.weight_bits.get(name)
    if bits is None:
        raise _refuse(
            f"the header has no weight_bits of {echo(name)}",
            "weight_bits",
            None,
            "the width of each linear layer",
            "quantize the checkpoint again",
            source,
        )
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if weight.min() < low or weight.max() > high:
        raise _refuse(
            f"integers of {echo(name)} leave their range",
            f"{name}.weight",
            f"{weight.min()} to {weight.max()}",
            f"{low} to {high} at {bits} bits",
            "quantize the checkpoint again",
            source,
        )
    if not np.array_equal(row_sum, row_sums(weight, scale)):
        raise _refuse(
            f"row sums of {echo(name)} are not those of its integers and scales",
            f"{name}.row_sum",
            "differs",
            "fp32(sum of integers) times scale, rounded once",
            "quantize the checkpoint again",
            source,
        )
    yield from (f"{name}.{part}" for part in ("weight", "scale", "row_sum"))


def check_tensors(header: CheckpointHeader, tensors: Mapping[str, npt.NDArray[Any]], source: str | None = None) -> None:
    """Each tensor there with its shape, type and range, finite, and nothing else.

    Raises:
        InputError: the first tensor that is not as the header says.
    """
    expected: set[str] = set()
    for name in linear_names(header.model):
        expected.update(_check_linear(header, tensors, name, source))
    for name, shape in float_shapes(header.model).items():
        _check_tensor(tensors, name, shape, "float32", source)
        expected.add(name)
    if unknown := sorted(set(tensors) - expected):
        raise _refuse(
            f"unknown tensor {echo(unknown[0])}",
            unknown[0],
            f"{len(unknown)} such tensors",
            "only the tensors of the format",
            "quantize the checkpoint again",
            source,
        )
    for name, array in tensors.items():
        if array.dtype == np.float32 and not np.isfinite(array).all():
            raise _refuse(
                f"tensor {echo(name)} holds NaN or infinity",
                name,
                "not finite",
                "finite fp32",
                "check the unquantized checkpoint",
                source,
            )


def save_checkpoint(path: Path, header: CheckpointHeader, tensors: Tensors) -> None:
    """Write a checkpoint that passes `check_tensors`; the file appears whole or not at all."""
    from safetensors.numpy import save_file

    check_tensors(header, tensors)
    document = header.model_dump(mode="json", by_alias=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        save_file(contiguous, partial, metadata={METADATA_KEY: json.dumps(document, sort_keys=True)})
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_header(path: Path) -> CheckpointHeader:
    """Only the header: cheap however large the file is.

    Raises:
        InputError: no such file, not safetensors, or not a quantized checkpoint.
    """
    return _open(path, names=())[0]


def load_checkpoint(path: Path, *, verify: bool = True) -> QuantizedCheckpoint:
    """The checkpoint in the file or in the folder `path`; `verify` compares the hash of the content too (seconds).

    Raises:
        InputError: unreadable, incomplete, altered, or of another model than its header says.
    """
    header, tensors = _open(path, names=None)
    source = str(path)
    check_tensors(header, tensors, source)
    if verify and content_sha256(tensors) != header.content_sha256:
        raise _refuse(
            "the tensors are not those that the header was written for",
            "content_sha256",
            content_sha256(tensors),
            header.content_sha256,
            "quantize the checkpoint again, or copy the file again",
            source,
        )
    return QuantizedCheckpoint(header, tensors)


def _open(path: Path, names: Iterable[str] | None) -> tuple[CheckpointHeader, Tensors]:
    from safetensors import SafetensorError, safe_open

    file = path / WEIGHTS_FILE if path.is_dir() else path
    try:
        with safe_open(file, framework="numpy") as handle:
            text = (handle.metadata() or {}).get(METADATA_KEY)
            if text is None:
                raise _refuse(
                    "not a quantized checkpoint of ours",
                    "checkpoint",
                    str(file),
                    f"metadata with the key {METADATA_KEY}",
                    "quantize the model first: flexdse quantize --model DIR|NAME",
                    None,
                )
            header = validate(CheckpointHeader, parse_json(text, str(file)))
            wanted = handle.keys() if names is None else names
            return header, {name: handle.get_tensor(name) for name in wanted}
    except (OSError, SafetensorError) as error:
        raise _refuse(
            f"checkpoint {echo(str(file))} cannot be read: {error}",
            "checkpoint",
            str(file),
            "a safetensors file that flexdse quantize wrote",
            "check the path, or quantize the model again",
            None,
        ) from error
