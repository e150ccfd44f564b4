"""What a user names: a model of the catalog that a package carries, a checkpoint folder, a GGUF file; a text file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantize.float_model import FloatModel
from quantize.gguf_source import load_gguf
from quantize.hugging_face_source import load_hugging_face
from quantize.packaged import MODEL_NAME, TEXT_NAMES, Purpose, packaged_model, packaged_text
from quantize.tokenizers import Ids, encode, load_tokenizer
from spec.catalog import load_model, names
from spec.errors import InputError, echo

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_TEXT_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class NamedModel:
    """A model with the tokenizer that belongs to it."""

    model: FloatModel
    tokenizer: Tokenizer

    def encode(self, text: str) -> Ids:
        """Token ids of `text`."""
        return encode(self.tokenizer, text)


@dataclass(frozen=True)
class NamedText:
    """A text and what reports call it."""

    name: str
    content: str


def open_model(name: str) -> NamedModel:
    """The model that `name` stands for.

    Raises:
        InputError: no such file, incomplete or inconsistent, or a catalog model whose weights no package carries.
    """
    if name == MODEL_NAME:
        path = packaged_model()
        model = load_gguf(path, load_model(MODEL_NAME))
    else:
        path = _path(name)
        model = load_gguf(path) if path.suffix.lower() == ".gguf" else load_hugging_face(path)
    return NamedModel(model, load_tokenizer(path, model.config))


def _path(name: str) -> Path:
    path = Path(name)
    if path.name == "config.json" and path.is_file():  # as other commands name a checkpoint
        path = path.parent
    if path.is_dir() or (path.is_file() and path.suffix.lower() == ".gguf"):
        return path
    if name in names("models"):
        raise InputError(
            f"no weights of {echo(name)} here",
            field="model",
            value=name,
            rule=f"only {MODEL_NAME} comes in a package; other models are files of yours",
            hint="give the folder of its Hugging Face checkpoint, or a GGUF file",
        )
    raise InputError(
        f"no checkpoint {echo(name)}",
        field="model",
        value=name,
        rule=f"a Hugging Face checkpoint folder, a .gguf file, or {MODEL_NAME}",
        hint="check the path",
    )


def open_text(path: Path | None, purpose: Purpose, *, wikitext_rows: bool = False) -> NamedText:
    """The text of a UTF-8 file, or without one the part of the packaged Wikipedia sample for that purpose.

    `wikitext_rows` joins the lines by a blank line, blank ones made empty: the protocol of published WikiText numbers.

    Raises:
        InputError: unreadable, not UTF-8, empty, or far too large.
    """
    if path is None:
        return NamedText(TEXT_NAMES[purpose], packaged_text(purpose))
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise _refuse(path, "is too large", f"at most {MAX_TEXT_BYTES:,} bytes", "cut a part out of it")
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise _refuse(path, f"cannot be read: {error.strerror}", "a readable file", "check the path") from error
    except UnicodeDecodeError as error:
        raise _refuse(path, "is not UTF-8 text", "UTF-8 text", "convert it to UTF-8") from error
    if not content.strip():
        raise _refuse(path, "is empty", "text in the language of the model", "give another file")
    if wikitext_rows:
        content = "\n\n".join(row if row.strip() else "" for row in content.splitlines(keepends=True))
    return NamedText(path.name[:200], content)


def _refuse(path: Path, problem: str, rule: str, hint: str) -> InputError:
    return InputError(f"text file {echo(str(path))} {problem}", field="text", value=str(path), rule=rule, hint=hint)
