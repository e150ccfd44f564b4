"""Perplexity against the definition; windows, interruption, and what goes wrong."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from quantize.available_memory import available_bytes
from quantize.decoder import Decoder
from quantize.evaluation import Evaluator, cut_windows, sound_reference
from quantize.memory import calibration_bytes, check_memory, evaluation_bytes, weights_bytes, window_bytes
from quantize.precision import Precision
from quantize.sources import open_model
from quantize.weight_bank import unquantized
from spec.catalog import load_model
from spec.errors import FlexDSEError, InputError
from spec.quality import Measurement
from spec.scheme_names import scheme_named
from tests.quantize import plain_llama
from tests.quantize.tiny import drawn_ids, ids_of, tiny_bank, tiny_model

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


KILLED = """
import os, signal, sys
from pathlib import Path
from quantize.evaluation import Evaluator
from quantize.precision import Precision
from tests.quantize.test_evaluation import SCHEME, windows
from tests.quantize.tiny import ids_of, tiny_bank

def die(line):
    if sys.argv[2] in line:
        os.kill(os.getpid(), signal.SIGKILL)

cache = Path(sys.argv[1])
bank = tiny_bank(scheme=SCHEME, rounding="gptq", cache=cache, progress=die)
Evaluator(bank, windows(ids_of(4, 128)), cache, die).measure(Precision(SCHEME, 3))
"""


def test_a_killed_evaluation_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed while weights are rounded, killed between windows: each time the next run finds what was done."""
    root = Path(__file__).parents[2]
    said: list[str] = []
    for when in ("GPTQ at 4 bits: layer 2", "window 3/4"):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), when], cwd=root, check=False, timeout=300)
        assert done.returncode == -signal.SIGKILL
    text, precision = windows(ids_of(4, 128)), Precision(SCHEME, 3)
    bank = tiny_bank(scheme=SCHEME, rounding="gptq", cache=tmp_path, progress=said.append)
    evaluator = Evaluator(bank, text, tmp_path, said.append)
    assert len([p for p in tmp_path.rglob("windows.jsonl") if len(p.read_text().splitlines()) == 3]) == 1
    found = evaluator.measure(precision)
    assert not [line for line in said if "GPTQ" in line]
    fresh = tiny_bank(scheme=SCHEME, rounding="gptq")
    assert found == Evaluator(fresh, text).measure(precision)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"\xff\xfe" * 500])
@pytest.mark.parametrize("kept", ["hidden-0.npy", "windows.jsonl", "gptq-*.safetensors", "site-samples-*.safetensors"])
def test_what_is_damaged_in_the_cache_is_made_again(tmp_path: Path, kept: str, damage: bytes) -> None:
    text, precision, said = windows(ids_of(4, 64)), Precision(SCHEME, 3), list[str]()

    def measure() -> Measurement:
        bank = tiny_bank(scheme=SCHEME, rounding="gptq", cache=tmp_path, progress=said.append)
        return Evaluator(bank, text, tmp_path, said.append).measure(precision)

    expected = measure()
    files = list(tmp_path.rglob(kept))
    assert files
    for file in files:
        file.write_bytes(damage)
    for lines in tmp_path.rglob("windows.jsonl") if kept != "windows.jsonl" else ():
        lines.unlink()
    assert measure() == expected
    assert any("is damaged" in line for line in said) == (kept != "windows.jsonl")
    assert not list(tmp_path.rglob("*.partial*"))


@pytest.mark.parametrize(
    "damage", [{"nll": math.nan}, {"nll": "7"}, {"window": [0]}, {"tokens": -1}, {"agreeing": 0.5}, {"kl": None}]
)
def test_a_window_that_holds_no_numbers_is_measured_again(tmp_path: Path, damage: dict[str, object]) -> None:
    text, precision = windows(ids_of(4, 64)), Precision(SCHEME, 3)
    expected = Evaluator(tiny_bank(), text, tmp_path).measure(precision)
    for file in tmp_path.rglob("windows.jsonl"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_text("".join(json.dumps(row | damage) + "\n" for row in rows))
    assert Evaluator(tiny_bank(), text, tmp_path).measure(precision) == expected


def test_a_model_that_knows_nothing_of_the_text_is_refused() -> None:
    with pytest.raises(InputError, match="hardly better than by chance") as caught:
        sound_reference(Evaluator(tiny_bank(scheme=SCHEME), windows(ids_of(4, 64))))
    assert f"below {0.8 * math.log(64):.2f} nats" in str(caught.value.rule)
    known = Evaluator(tiny_bank(scheme=SCHEME), windows(drawn_ids(6), 48, 48))
    assert sound_reference(known) == known.reference()


def test_standard_errors_are_those_of_the_windows() -> None:
    """Of the mean over windows of one length; of the increase, window by window against the unquantized model."""
    ids, precision, bank = drawn_ids(6), Precision(SCHEME, 3), tiny_bank(scheme=SCHEME)
    evaluator = Evaluator(bank, windows(ids, 48, 48), compare=False)
    measured, reference = evaluator.measure(precision), evaluator.reference()
    alone = [Evaluator(bank, windows(part, 48, 48), compare=False) for part in ids.reshape(6, 48)]
    each = np.array([(one.measure(precision).nll, one.reference().nll) for one in alone])
    assert measured.nll == pytest.approx(each[:, 0].mean())
    assert measured.nll_standard_error == pytest.approx(each[:, 0].std(ddof=1) / math.sqrt(6))
    assert reference.nll_standard_error == pytest.approx(each[:, 1].std(ddof=1) / math.sqrt(6))
    assert measured.increase_standard_error == pytest.approx((each[:, 0] - each[:, 1]).std(ddof=1) / math.sqrt(6))
    assert reference.increase_standard_error is None
    single = alone[0].measure(precision)
    assert (single.nll_standard_error, single.increase_standard_error) == (None, None)


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


@pytest.mark.parametrize(
    ("field", "rounding", "widths"),
    [("weight_bits", "rtn", range(2, 9)), ("weight_bits", "gptq", (2, 3, 8)), ("lm_head_weight_bits", "rtn", range(2, 9)),
     ("activation_bits", "rtn", range(4, 17)), ("kv_bits", "rtn", range(4, 17)), ("attention_bits", "rtn", range(4, 17))],
)  # fmt: skip
def test_every_width_of_a_scheme_is_measurable(field: str, rounding: str, widths: Sequence[int]) -> None:
    bank = tiny_bank(rounding=rounding)
    evaluator = Evaluator(bank, windows(ids_of(9, 32)))
    measured = {
        bits: evaluator.measure(Precision(unquantized(bank.scheme).model_copy(update={field: bits}), 3))
        for bits in widths
    }
    assert all(math.isfinite(one.perplexity) for one in measured.values())
    divergence = {bits: one.kl_divergence or 0.0 for bits, one in measured.items()}
    assert divergence[min(widths)] > 10 * divergence[8] > 0
    assert 16 not in widths or measured[16] == evaluator.reference()


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


@pytest.mark.parametrize(
    "stage", ["rotate", "round_to_nearest", "_gptq_pass", "SiteSamples.__call__", "expected_shapes"]
)
def test_running_out_of_memory_outside_a_window_says_what_would_fit(
    stage: str, checkpoint_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    folder, bank = checkpoint_folder(tiny_model()), tiny_bank(rounding="gptq")
    module = "quantize.hugging_face_source" if stage == "expected_shapes" else "quantize.weight_bank"
    monkeypatch.setattr(f"{module}.{stage}", full)

    def everything() -> None:
        open_model(str(folder))
        tiny_bank()
        bank.rounded("lm_head", 8)
        bank.rounded("lm_head", 4)
        bank.static_scale("layers.0.self_attn.q", 8)

    with pytest.raises(FlexDSEError, match="out of memory while") as caught:
        everything()
    assert "GB" in str(caught.value.rule)
    assert "smaller model" in str(caught.value.hint)
    assert ("--calibration-windows" in str(caught.value.hint)) == (stage in ("_gptq_pass", "SiteSamples.__call__"))


def test_the_least_of_system_address_space_and_control_groups_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    files = {
        "proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n",
        "proc/self/statm": "100 1 1 1 0 1 0\n",
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/memory.max": "max\n",
        "sys/fs/cgroup/a/memory.current": "5\n",
        "sys/fs/cgroup/a/memory.stat": "inactive_file 0\n",
    }

    def write(**more: str) -> None:
        for name, content in (files | more).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)

    limit = resource.RLIM_INFINITY
    monkeypatch.setattr("resource.getrlimit", lambda _: (limit, limit))
    write()
    assert available_bytes(tmp_path) == 8000 * 1024
    limit = 100 * page + 6_000_000
    assert available_bytes(tmp_path) == 6_000_000
    write(**{"sys/fs/cgroup/a/memory.max": "5000000", "sys/fs/cgroup/a/memory.current": "1000000",
             "sys/fs/cgroup/a/memory.stat": "inactive_file 500000\n"})  # fmt: skip
    assert available_bytes(tmp_path) == 4_500_000  # that of the group above ours
    write(**{"proc/self/cgroup": "4:memory:/c\n0::/\n", "sys/fs/cgroup/memory/c/memory.limit_in_bytes": "3000000",
             "sys/fs/cgroup/memory/c/memory.usage_in_bytes": "3000000",
             "sys/fs/cgroup/memory/c/memory.stat": "total_inactive_file 7\n"})  # fmt: skip
    assert available_bytes(tmp_path) == 7
    limit = 1
    assert available_bytes(tmp_path) == 0
    assert available_bytes() is not None


def test_what_is_in_memory_already_is_not_asked_for_again() -> None:
    model = load_model("llama-3.2-1b")
    loaded = weights_bytes(model)
    work = window_bytes(model, 2048)
    check_memory(model, 2048, work, live=loaded)  # all weights are there: only the window has to fit
    check_memory(model, 2048, work + loaded // 2, live=loaded - loaded // 2)
    with pytest.raises(InputError, match="does not fit"):
        check_memory(model, 2048, work - 1, live=loaded)
    bank = tiny_bank()
    both = [*bank.model.tensors.values(), *bank.rotated.tensors.values()]
    assert bank.live_bytes == sum({id(array): array.nbytes for array in both}.values())
    bank.rounded("lm_head", 4)
    assert bank.live_bytes > sum({id(array): array.nbytes for array in both}.values())


def test_gptq_and_the_gpu_have_needs_of_their_own() -> None:
    model = load_model("llama-3.2-1b")
    gptq = calibration_bytes(model, 16, 512)
    assert gptq > 5 * 8 * model.ffn_dim**2  # the Hessian of down_proj's input in fp64, several times
    loaded, work = weights_bytes(model), window_bytes(model, 512)
    check_memory(model, 512, max(gptq, work), live=loaded, calibration=(16, 512))
    with pytest.raises(InputError, match="does not fit") as caught:
        check_memory(model, 512, gptq - 1, live=loaded, calibration=(16, 512))
    assert "--calibration-windows" in str(caught.value.hint)
    check_memory(model, 512, 0, live=loaded, gpu_free=work)
    with pytest.raises(InputError, match="memory of the GPU"):
        check_memory(model, 512, 10**12, live=loaded, gpu_free=work - 1)


def test_a_model_that_cannot_fit_is_refused_before_its_weights_are_read(
    checkpoint_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint_folder(tiny_model())
    monkeypatch.setattr("quantize.memory.available_bytes", lambda: 1000)
    monkeypatch.setattr("quantize.hugging_face_source.read_safetensors", lambda _: pytest.fail("weights were read"))
    with pytest.raises(InputError, match="does not fit into memory"):
        open_model(str(folder))


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


def test_results_of_another_backend_or_arithmetic_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    bank = tiny_bank()
    keys = {bank.key("part")}
    monkeypatch.setattr(bank.xp, "name", "torch")
    keys.add(bank.key("part"))
    monkeypatch.setattr("quantize.weight_bank.ARITHMETIC_VERSION", 10**6)
    keys.add(bank.key("part"))
    assert len(keys) == 3
    assert bank.key("part") in keys
