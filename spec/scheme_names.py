"""Schemes by name: `w4a8kv8` says its widths, `w4a4kv4h8` those of lm_head too; or a YAML or JSON file."""

from __future__ import annotations

import re
from pathlib import Path

from spec.errors import InputError, InputErrors, echo
from spec.quality import PrecisionPlan
from spec.quant_scheme import QuantScheme, check_bits
from spec.strict import Document, load_document, validate

_NAME = re.compile(r"w(?P<w>\d{1,2})a(?P<a>\d{1,2})kv(?P<kv>\d{1,2})(?:h(?P<h>\d{1,2}))?")
# Queries and softmax weights: FlexLLM's attention is 8 bits wide whatever the other widths.
ATTENTION_BITS = 8


def scheme_named(name: str) -> QuantScheme:
    """The scheme whose widths are in `name`, in small or capital letters, everything else as in FlexLLM.

    Raises:
        InputError: not such a name, or a width outside 2 to 16 bits.
    """
    match = _NAME.fullmatch(name.lower())
    if match is None:
        raise InputError(
            f"not a scheme: {echo(name)}",
            field="scheme",
            value=name,
            rule="w<bits>a<bits>kv<bits> with an optional h<bits> of lm_head, as in w4a8kv8 or w4a4kv4h8",
            hint=_hint(name),
        )
    widths = {key: int(value) for key, value in match.groupdict().items() if value is not None}
    _check_widths(name, widths)
    return validate(
        QuantScheme,
        {
            "name": name.lower(),
            "weight_bits": widths["w"],
            "activation_bits": widths["a"],
            "kv_bits": widths["kv"],
            "attention_bits": 16 if widths["a"] == 16 and widths["kv"] == 16 else ATTENTION_BITS,
            "lm_head_weight_bits": widths.get("h", widths["w"]),
        },
    )


_OPERANDS = {"w": "weights", "a": "activations", "kv": "the KV cache", "h": "weights of lm_head"}


def _check_widths(name: str, widths: dict[str, int]) -> None:
    wrong = []
    for key, bits in widths.items():
        try:
            check_bits(bits, key)
        except InputError as error:
            error.message = f"{echo(name)}: {_OPERANDS[key]} have no {bits} bits"
            error.field = f"scheme.{key}"
            wrong.append(error)
    if wrong:
        raise wrong[0] if len(wrong) == 1 else InputErrors(wrong)


def _hint(name: str) -> str:
    """What somebody who wrote `name` may have meant: its letters and numbers without what stands between them."""
    meant = re.sub(r"[\s_.,:/+-]|bits?", "", name.lower())
    if re.fullmatch(r"w\d{1,2}a\d{1,2}", meant):
        meant += "kv8"
    if _NAME.fullmatch(meant):
        return f"did you mean {meant}? Or give the path of a scheme or precision plan as YAML or JSON"
    return "or give the path of a scheme or precision plan as YAML or JSON"


def resolve_plan(name: str) -> PrecisionPlan:
    """A precision plan: from a scheme's name, a scheme's file, or a plan's own file.

    Raises:
        InputError: no such name or file, or a document that breaks a rule.
    """
    if not name.lower().endswith((".yaml", ".yml", ".json")):
        return PrecisionPlan(scheme=scheme_named(name))
    document = load_document(Path(name), "scheme file")
    if isinstance(document.data, dict) and "scheme" in document.data:
        return validate(PrecisionPlan, document)
    return PrecisionPlan(scheme=validate(QuantScheme, Document(document.data, document.source, document.lines)))
