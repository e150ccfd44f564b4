"""A Hugging Face checkpoint folder: config.json, safetensors in one file or in shards, tokenizer.json."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.float_model import FloatModel, check_complete, check_nothing_left, expected_shapes
from quantize.memory import check_loadable, guarded
from quantize.rope import inverse_frequencies
from quantize.safetensors_file import read_safetensors
from spec.catalog import resolve_model
from spec.errors import InputError, echo
from spec.model_config import ModelConfig
from spec.quantized_checkpoint import CheckpointSource
from spec.strict import load_document

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"


def load_hugging_face(folder: Path) -> FloatModel:
    """The model in a checkpoint folder.

    Raises:
        InputError: a file or tensor that is missing, another architecture, shapes that contradict the configuration.
    """
    named = folder.resolve() if folder.name in ("", "..") else folder  # the model has the name of its folder
    config = resolve_model(str(named / "config.json"))
    check_loadable(config)
    with guarded(f"loading {config.name}", config):
        return _load(folder, config)


def _load(folder: Path, config: ModelConfig) -> FloatModel:
    wanted = expected_shapes(config)
    files = _weight_files(folder)
    tensors: dict[str, npt.NDArray[np.float32]] = {}
    left: list[str] = []
    digest = hashlib.sha256()
    for file in files:
        digest.update(_sha256(file).encode())
        for name, values in read_safetensors(file):
            short = name.removeprefix("model.")
            if short in wanted:
                tensors[short] = values
            else:
                left.append(short)
    if config.tied_embeddings and "lm_head.weight" not in tensors and "embed_tokens.weight" in tensors:
        tensors["lm_head.weight"] = tensors["embed_tokens.weight"]
    check_complete(config, tensors, str(folder))
    check_nothing_left(config, left, str(folder))
    return FloatModel(
        config=config,
        tensors=tensors,
        inverse_frequencies=inverse_frequencies(config, _rope_scaling(folder / "config.json")),
        source=CheckpointSource(kind="hugging_face", name=config.name, sha256=digest.hexdigest()),
    )


def _rope_scaling(path: Path) -> dict[str, Any] | None:
    data = load_document(path, "model file").data
    scaling = data.get("rope_scaling") or data.get("rope_parameters")
    return scaling if isinstance(scaling, dict) else None


def _weight_files(folder: Path) -> list[Path]:
    if (folder / SINGLE_FILE).is_file():
        return [folder / SINGLE_FILE]
    index = folder / INDEX_FILE
    if not index.is_file():
        raise InputError(
            f"no weights in {echo(str(folder))}",
            field="model",
            value=str(folder),
            rule=f"{SINGLE_FILE} or {INDEX_FILE} beside config.json",
            hint="older checkpoints have pytorch_model.bin only: convert them with save_pretrained",
        )
    data = load_document(index, "weight index").data
    names = data.get("weight_map") if isinstance(data, dict) else None
    if not isinstance(names, dict) or not all(isinstance(v, str) and Path(v).name == v for v in names.values()):
        raise InputError(
            "the weight index has no usable weight_map",
            field="weight_map",
            value=type(names).__name__,
            rule="tensor names to file names in the same folder",
            hint="download the checkpoint again",
            source=str(index),
        )
    files = [folder / name for name in sorted(set(names.values()))]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(files)} weight files are missing, the first is {echo(missing[0])}",
            field="model",
            value=missing[0],
            rule="each file that the index names",
            hint="download the missing shards",
            source=str(index),
        )
    return files


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
