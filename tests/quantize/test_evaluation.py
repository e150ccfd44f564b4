"""Perplexity against the definition; windows, interruption, and what goes wrong."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from quantize.decoder import Decoder
from quantize.evaluation import Evaluator, cut_windows
from quantize.memory import check_memory, evaluation_bytes
from quantize.precision import Precision
from spec.catalog import load_model
from spec.errors import FlexDSEError, InputError
from spec.scheme_names import scheme_named
from tests.quantize import plain_llama
from tests.quantize.tiny import ids_of, tiny_bank, tiny_model

SCHEME = scheme_named("w4a8kv8")


def windows(ids: np.ndarray, window: int = 32, stride: int = 32, count: int | None = None):
    return cut_windows("random", "text", ids, window, stride, count, 64)


def log_softmax(x: np.ndarray) -> np.ndarray:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def test_the_reference_is_the_perplexity_by_definition() -> None:
    model, ids = tiny_model(), ids_of(1, 100)
    text = windows(ids, 32, 32)
    assert [len(w.ids) for w in text.windows] == [32, 32, 32]
    total = 0.0
    for window in text.windows:
        predicted = log_softmax(plain_llama.logits(model, window.ids))
        total -= predicted[np.arange(31), window.ids[1:]].sum()
    measured = Evaluator(tiny_bank(model), text).reference()
    assert measured.nll == pytest.approx(total / 93, rel=1e-5)
    assert measured.perplexity == pytest.approx(math.exp(total / 93), rel=1e-5)
    assert measured.kl_divergence == 0
    assert measured.top1_agreement == 1
    assert text.protocol.predicted_tokens == 93


def test_kl_and_agreement_are_those_of_the_logits() -> None:
    model, ids = tiny_model(), ids_of(2, 40)
    bank, precision = tiny_bank(model, SCHEME), Precision(SCHEME, 3)
    measured = Evaluator(bank, windows(ids, 40, 40)).measure(precision)
    decoder = Decoder(bank.xp, bank)
    ours = log_softmax(np.asarray(decoder.logits(decoder.forward(ids[None], precision)[0], precision), dtype=float))
    theirs = log_softmax(plain_llama.logits(model, ids))
    kl = (np.exp(theirs) * (theirs - ours)).sum(axis=1)[:-1].mean()
    agreement = (ours.argmax(1) == theirs.argmax(1))[:-1].mean()
    assert measured.kl_divergence == pytest.approx(kl, rel=1e-3)
    assert measured.top1_agreement == pytest.approx(agreement)
    assert 0 < measured.top1_agreement < 1


def test_a_shorter_stride_scores_each_token_once_with_more_context() -> None:
    ids = ids_of(3, 64)
    text = windows(ids, 32, 16)
    assert [(len(w.ids), w.first_target) for w in text.windows] == [(32, 1), (32, 16), (32, 16)]
    scored = [start + t for start, w in zip((0, 16, 32), text.windows, strict=True) for t in range(w.first_target, 32)]
    assert scored == list(range(1, 64))
    assert text.protocol.predicted_tokens == 63


def test_few_windows_are_spread_over_the_text_and_overlap_no_more_than_they_do() -> None:
    text = windows(np.arange(64).repeat(5), 32, 32, 3)
    assert [int(w.ids[0]) for w in text.windows] == [0, 25, 57]
    assert all(w.first_target == 1 for w in text.windows)


@pytest.mark.parametrize(
    ("ids", "window", "stride", "message"),
    [(ids_of(0, 10), 32, 32, "too short"), (ids_of(0, 100), 32, 33, "longer than the window"),
     (ids_of(0, 100) + 10, 32, 32, "does not belong to the model"), (np.array([], dtype=int), 2, 2, "too short")],
)  # fmt: skip
def test_bad_texts_and_windows_are_refused(ids: np.ndarray, window: int, stride: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        windows(ids, window, stride)


class Stopped(Exception):
    pass


def test_an_interrupted_evaluation_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = windows(ids_of(4, 128))
    precision = Precision(SCHEME, 3)
    expected = Evaluator(tiny_bank(scheme=SCHEME), text).measure(precision)

    def stop_after_two(line: str) -> None:
        if "window 2/4" in line:
            raise Stopped

    with pytest.raises(Stopped):
        Evaluator(tiny_bank(scheme=SCHEME), text, tmp_path, stop_after_two).measure(precision)
    [results] = [path for path in tmp_path.rglob("windows.jsonl") if len(path.read_text().splitlines()) == 2]
    with results.open("a") as file:
        file.write('{"window": 2, "tok')  # the line that was being written when the power failed
    forwards: list[np.ndarray] = []
    forward = Decoder.forward

    def counted(self: Decoder, ids: np.ndarray, used: Precision) -> object:
        if used == precision:
            forwards.append(ids)
        return forward(self, ids, used)

    monkeypatch.setattr(Decoder, "forward", counted)
    evaluator = Evaluator(tiny_bank(scheme=SCHEME), text, tmp_path)
    assert evaluator.measure(precision) == expected
    assert [ids[0].tolist() for ids in forwards] == [w.ids.tolist() for w in text.windows[2:]]
    assert evaluator.measure(precision) == expected
    assert len(forwards) == 2


def test_a_result_is_found_again_by_content_only(tmp_path: Path) -> None:
    """Another name of the same widths finds it; another text, seed or width does not."""
    text, other = windows(ids_of(5, 64)), windows(ids_of(6, 64))
    first = Evaluator(tiny_bank(scheme=SCHEME), text, tmp_path).measure(Precision(SCHEME, 3))
    renamed = SCHEME.model_copy(update={"name": "mine"})
    folders = len(list(tmp_path.glob("evaluation-*")))
    assert Evaluator(tiny_bank(scheme=SCHEME), text, tmp_path).measure(Precision(renamed, 3)) == first
    assert len(list(tmp_path.glob("evaluation-*"))) == folders
    assert Evaluator(tiny_bank(scheme=SCHEME), other, tmp_path).measure(Precision(SCHEME, 3)) != first
    assert Evaluator(tiny_bank(scheme=SCHEME, seed=1), text, tmp_path).measure(Precision(SCHEME, 3)) != first


def test_logits_that_are_not_finite_are_an_error() -> None:
    model = tiny_model()
    huge = model.with_tensors({"lm_head.weight": model["lm_head.weight"] * np.float32(1e38)})
    with pytest.raises(FlexDSEError, match="not finite"), np.errstate(all="ignore"):
        Evaluator(tiny_bank(huge), windows(ids_of(7, 32))).measure(Precision(SCHEME, 3))


def test_running_out_of_memory_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Decoder, "forward", full)
    with pytest.raises(FlexDSEError, match="out of memory") as caught:
        Evaluator(tiny_bank(), windows(ids_of(8, 32))).reference()
    assert "--window" in str(caught.value)


def test_what_will_not_fit_is_refused_before_it_starts() -> None:
    model = load_model("llama-3.2-1b")
    needed = evaluation_bytes(model, 8192)
    check_memory(model, 8192, needed)
    with pytest.raises(InputError, match="does not fit") as caught:
        check_memory(model, 8192, evaluation_bytes(model, 2048))
    assert caught.value.hint == "take --window 2048"
    with pytest.raises(InputError, match="does not fit") as caught:
        check_memory(model, 2048, 10**9)
    assert "smaller model" in str(caught.value.hint)
