"""A user's own tables in the search, and schemes of a search measured by the protocol of their table."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path

import pytest

from cost_models.quality import scheme_quality
from flexdse.quality_files import user_table_file, write_table
from flexdse.quality_inputs import QualityInputs
from flexdse.quality_verification import check_verifiable, quality_rung, verify_schemes
from quantize.sensitivity import refit
from spec.catalog import load_model, resolve_design, resolve_model
from spec.errors import InputError
from spec.quality import (
    MIN_UNSEEN,
    MeasuredCombination,
    PrecisionPlan,
    SensitivityTable,
    WidthOverride,
    predicted_nll,
)
from spec.quality_catalog import quality_tables, user_tables_folder
from spec.scheme_names import scheme_named
from tests.flexdse.conftest import Run
from tests.quantize.tiny import tiny_model, write_checkpoint, write_text

TABLE = ("--window", 48, "--max-windows", 3, "--rounding", "rtn", "--combinations", 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of tables."""
    folder = tmp_path / "tables"
    monkeypatch.setenv("FLEXDSE_QUALITY_TABLES", str(folder))
    return folder


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "tiny-model", tiny_model())


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write_text(tmp_path / "text.txt")


@pytest.fixture
def measured(
    flexdse: Run, folder: Path, checkpoint: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SensitivityTable:
    """A table of the tiny model in the user's folder, of a few changes only."""
    few = [WidthOverride(group=group, bits=4) for group in ("weight.down", "weight.lm_head", "value")]  # type: ignore[arg-type]
    monkeypatch.setattr("quantize.sensitivity.single_changes", lambda: few)
    shown = flexdse("quality-table", "--model", checkpoint, "--text", text, "--calibration-text", text,
                    "--calibration-windows", 2, "--cache", tmp_path / "cache", *TABLE)  # fmt: skip
    assert shown.code == 0, shown.err
    assert "evaluate and explore look this model up" in shown.err
    [table] = quality_tables("tiny-model")
    assert isinstance(table, SensitivityTable)
    return table


def plan_of(name: str, *overrides: WidthOverride) -> PrecisionPlan:
    return PrecisionPlan(scheme=scheme_named(name), overrides=overrides)


MILD = plan_of("w8a8kv8", WidthOverride(group="weight.down", bits=4), WidthOverride(group="value", bits=4))


def verify(checkpoint: Path, text: Path, *plans: PrecisionPlan, **options: object):
    return verify_schemes(str(checkpoint), plans, cache=checkpoint.parent / "cache", text=text, calibration_text=text,
                          **options)  # type: ignore[arg-type]  # fmt: skip


def test_a_table_of_the_users_own_is_found_and_a_measured_scheme_is_shown_as_such(
    measured: SensitivityTable, checkpoint: Path, text: Path
) -> None:
    model = resolve_model(str(checkpoint))
    before = scheme_quality(model, MILD.scheme, MILD.overrides)
    assert before.kind == "predicted from measured sensitivities"
    [found] = verify(checkpoint, text, MILD)
    assert found.predicted.value == pytest.approx(before.value)
    after = scheme_quality(model, MILD.scheme, MILD.overrides)
    assert after.kind == "measured"
    assert after.value == pytest.approx(found.measured)
    assert found.standard_error is not None
    assert after.low is not None
    assert after.high is not None
    assert after.low < found.measured < after.high  # two standard errors, of the logarithm
    assert (1 + after.high) * (1 + after.low) == pytest.approx((1 + found.measured) ** 2)
    assert math.log((1 + after.high) / (1 + after.low)) == pytest.approx(
        4 * found.standard_error / (1 + found.measured)
    )
    assert "tiny-model" in after.detail or "text.txt" in after.detail
    [table] = quality_tables("tiny-model")
    assert isinstance(table, SensitivityTable)
    assert [c.used_in_fit for c in table.combinations] == [True]
    sums = sum(s.delta_nll for s in measured.sensitivities if s.group in ("weight.down", "value"))
    # With one mixture to fit, the curvature is what makes its prediction exact, unless that needs it negative.
    exact = (table.combinations[0].nll - table.base.nll - sums) / sums**2
    assert table.curvature == pytest.approx(max(exact, 0.0))


def test_a_verified_scheme_is_what_the_quality_command_measures(
    flexdse: Run, measured: SensitivityTable, checkpoint: Path, text: Path, tmp_path: Path
) -> None:
    common = ("--model", checkpoint, "--scheme", "w4a8kv4", "--text", text, "--calibration-text", text, "--cache",
              tmp_path / "cache")  # fmt: skip
    shown = flexdse("quality-verify", *common, "--json")
    [result] = shown.document["results"]
    document = flexdse("quality", *common, "--window", 48, "--max-windows", 3, "--rounding", "rtn",
                       "--calibration-windows", 2, "--json").document  # fmt: skip
    assert result["measured"] == pytest.approx(document["results"][0]["quality"], rel=1e-9)
    assert result["predicted"] is None  # weights of attention were never measured at 4 bits in this table
    assert "narrower" in result["missing"]
    assert scheme_quality(resolve_model(str(checkpoint)), scheme_named("w4a8kv4")).kind == "measured"
    assert shown.document["kept"] is True
    eight = (*common[:2], "--scheme", "w8a8kv8", *common[4:])
    part = flexdse("quality-verify", *eight, "--json").document
    assert part["kept"] is False, "the base is in the table since it was measured"
    assert {part["results"][0][field] for field in ("predicted", "low", "high", "inside_band")} == {None}
    assert "part of the table" in part["results"][0]["missing"]
    again = flexdse("quality-verify", *common)
    assert "w4a8kv4: no prediction: a width of w4a8kv4 is narrower" in again.out
    assert "window" not in again.err


def test_the_same_command_goes_on_with_its_table_and_another_is_refused(
    flexdse: Run, measured: SensitivityTable, checkpoint: Path, text: Path, folder: Path
) -> None:
    verify(checkpoint, text, MILD)
    [kept] = quality_tables("tiny-model")
    common = ("quality-table", "--model", checkpoint, "--text", text, "--calibration-text", text,
              "--calibration-windows", 2, "--cache", checkpoint.parent / "cache", "--rounding", "rtn")  # fmt: skip
    assert flexdse(*common, "--window", 48, "--max-windows", 3, "--combinations", 0).code == 0
    assert quality_tables("tiny-model") == (kept,)
    other = flexdse(*common, "--window", 48, "--max-windows", 2, "--combinations", 0)
    assert (other.code, "of another text or protocol" in other.err) == (2, True)
    same = ("--window", 48, "--max-windows", 3, "--combinations", 0)
    for changed, what in ((("--seed", 1), "seed"), (("--calibration-windows", 3), "calibration")):
        refused = flexdse(*common, *same, *changed)
        assert (refused.code, f"a table of another {what}\n" in f"{refused.err}\n") == (2, True), refused.err
    assert quality_tables("tiny-model") == (kept,)
    assert flexdse(*common, "--window", 48, "--max-windows", 2, "--combinations", 0, "--force").code == 0
    [replaced] = quality_tables("tiny-model")
    assert isinstance(replaced, SensitivityTable)
    assert (replaced.protocol.predicted_tokens, replaced.combinations) == (2 * 47, ())
    results = folder.parent / "results.json"
    results.write_text('{"schema": "flexdse/published-quality/v1"}')
    assert flexdse(*common, "--out", results).code == 2


def test_a_measurement_has_no_say_in_the_band_that_it_is_held_against(
    measured: SensitivityTable, checkpoint: Path, text: Path, folder: Path
) -> None:
    """Verified again, with the measurement in the table and so in its band, a scheme gets the verdict of the first time."""
    groups = ("weight.down", "weight.lm_head", "value")
    others = [tuple(WidthOverride(group=g, bits=b) for g, b in zip(groups, bits, strict=True))  # type: ignore[arg-type]
              for bits in product((7, 6), (8, 7, 6), (7, 6))]  # fmt: skip
    others.remove(next(o for o in others if [one.bits for one in o] == [6, 8, 6]))  # the one to be verified
    assert len(others) >= MIN_UNSEEN
    near = [MeasuredCombination(overrides=o, nll=predicted_nll(measured, o) + 1e-9, used_in_fit=False) for o in others]
    write_table(user_table_file("tiny-model", measured.mode), refit(measured, near))
    gentle = plan_of("w8a8kv8", WidthOverride(group="weight.down", bits=6), WidthOverride(group="value", bits=6))
    [first] = verify(checkpoint, text, gentle)
    [table] = quality_tables("tiny-model")
    assert isinstance(table, SensitivityTable)
    assert len(table.combinations) == len(near) + 1
    [second] = verify(checkpoint, text, gentle)
    assert first.inside_band is second.inside_band is False
    assert second.predicted == first.predicted
    assert (second.measured, second.standard_error) == (first.measured, first.standard_error)
    assert first.standard_error is not None
    assert "outside of its band" in second.summary()
    alone = plan_of("w8a8kv8", WidthOverride(group="value", bits=4))
    [part] = verify(checkpoint, text, alone, keep=False)
    assert part.inside_band is None
    assert "part of the table" in part.summary()


def test_only_looking_leaves_the_table_as_it_was(measured: SensitivityTable, checkpoint: Path, text: Path) -> None:
    verify(checkpoint, text, MILD, keep=False)
    assert quality_tables("tiny-model") == (measured,)


def test_the_schemes_of_a_front_are_measured_once_each(
    flexdse: Run, measured: SensitivityTable, checkpoint: Path, text: Path, tmp_path: Path
) -> None:
    design = resolve_design("flexllm-u280").model_dump(mode="json", by_alias=True)
    other = {**design, "quant_scheme": scheme_named("w8a8kv4").model_dump(mode="json")}
    (tmp_path / "front.json").write_text(json.dumps([{"design": d, "metrics": {}} for d in (design, other, design)]))
    document = flexdse("quality-verify", "--model", checkpoint, "--front", tmp_path, "--text", text,
                       "--calibration-text", text, "--cache", tmp_path / "cache", "--no-keep", "--json").document  # fmt: skip
    assert [r["plan"]["scheme"]["name"] for r in document["results"]] == ["w4a4kv8", "w8a8kv4"]
    assert document["kept"] is False


def test_a_rung_of_promotion_refuses_what_measures_beyond_the_bound(
    measured: SensitivityTable, checkpoint: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    design = resolve_design("flexllm-u280")
    [truth] = verify(checkpoint, text, PrecisionPlan(scheme=design.quant_scheme))
    calls = []

    def counted(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        return verify(checkpoint, text, *arguments[1], **options)  # type: ignore[misc]

    monkeypatch.setattr("flexdse.quality_verification.verify_schemes", lambda c, p, **_: counted(c, p))
    for bound, passes in ((truth.measured + 0.01, True), (truth.measured - 0.01, False), (None, True)):
        rung = quality_rung(str(checkpoint), bound)
        passed, detail = rung(design)
        assert passed is passes
        assert "measured" in detail
        assert rung(design) == (passed, detail)
    assert len(calls) == 3


def test_the_rung_of_promotion_takes_the_users_checkpoint_and_text_and_refuses_others_before_the_search(
    flexdse: Run,
    measured: SensitivityTable,
    checkpoint: Path,
    text: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = plan_of("w4a4kv8")
    right = QualityInputs(str(checkpoint), text, text)
    check_verifiable("tiny-model", [plan], right)
    (tmp_path / "other.txt").write_text(text.read_text()[::-1])
    wrong = tmp_path / "other.txt"
    for inputs, said in (
        (QualityInputs(str(checkpoint), wrong, text), "another text"),
        (QualityInputs(str(checkpoint), text, wrong), "another calibration text"),
        (QualityInputs("smollm2-135m", text, text), "not of tiny-model"),
        (QualityInputs(None, text, text), "no checkpoint"),
    ):
        with pytest.raises(InputError, match=said):
            check_verifiable("tiny-model", [plan], inputs)
    monkeypatch.setattr("dse.explore.explore", lambda *_, **__: pytest.fail("searched"))
    common = ("explore", "--model", checkpoint / "config.json", "--device", "u280", "--prompt-tokens", 16,
              "--output-tokens", 16)  # fmt: skip
    options = ("--quality-checkpoint", checkpoint, "--quality-calibration-text", text, "--quality-text", wrong)
    shown = flexdse(*common, "--promote", 1, "--backend", "quality", *options)
    assert (shown.code, "another text" in shown.err) == (2, True), shown.err
    assert "with --quality-text" in shown.err, "the option of this command"
    alone = flexdse(*common, *options)
    assert (alone.code, "--promote" in alone.err) == (2, True)
    given: list[dict[str, object]] = []
    monkeypatch.setattr(
        "flexdse.quality_verification.verify_schemes",
        lambda c, p, **options: (given.append(options), verify(checkpoint, text, *p))[1],
    )
    quality_rung(str(checkpoint), inputs=right)(resolve_design("flexllm-u280"))
    assert (given[0]["text"], given[0]["calibration_text"]) == (text, text)


def test_what_would_not_compare_is_refused(
    measured: SensitivityTable, checkpoint: Path, text: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.txt").write_text(text.read_text()[::-1])
    with pytest.raises(InputError, match="another text") as caught:
        verify_schemes(
            str(checkpoint), [MILD], text=tmp_path / "other.txt", calibration_text=text, cache=tmp_path / "c"
        )
    assert "--text" in str(caught.value.hint)
    with pytest.raises(InputError, match="another calibration text"):
        verify_schemes(
            str(checkpoint), [MILD], text=text, calibration_text=tmp_path / "other.txt", cache=tmp_path / "c"
        )
    symmetric = PrecisionPlan(scheme=MILD.scheme.model_copy(update={"activation_symmetry": "symmetric"}))
    with pytest.raises(InputError, match="of another kind of scheme only"):
        verify(checkpoint, text, symmetric)
    renamed = write_checkpoint(tmp_path / "elsewhere", tiny_model(seed=1))
    with pytest.raises(InputError, match="no sensitivities of elsewhere at all"):
        verify_schemes(str(renamed), [MILD], text=text, calibration_text=text, cache=tmp_path / "c")
    impostor = write_checkpoint(tmp_path / "again" / "tiny-model", tiny_model(seed=2))
    with pytest.raises(InputError, match="another model"):
        verify_schemes(str(impostor), [MILD], text=text, calibration_text=text, cache=tmp_path / "c")


def test_a_bad_table_or_folder_is_an_error_and_not_overlooked(folder: Path, flexdse: Run) -> None:
    model = load_model("smollm2-135m")
    assert math.isfinite(scheme_quality(model, scheme_named("w4a8kv8")).value or math.nan)  # no folder yet
    folder.mkdir()
    (folder / "notes.json").write_text('{"schema": "mine"}')
    with pytest.raises(InputError, match="not a table of quality"):
        scheme_quality(model, scheme_named("w4a8kv8"))
    shown = flexdse("evaluate", "--design", "flexllm-u280", "--model", "smollm2-135m", "--device", "u280",
                    "--prompt-tokens", 64, "--output-tokens", 64)  # fmt: skip
    assert (shown.code, "notes.json" in shown.err) == (2, True)
    (folder / "notes.json").unlink()
    assert scheme_quality(model, scheme_named("w4a8kv8")).value is not None
    folder.rmdir()
    folder.write_text("a file")
    with pytest.raises(InputError, match="is no folder"):
        scheme_quality(model, scheme_named("w4a8kv8"))


def test_the_folder_of_tables_is_below_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLEXDSE_QUALITY_TABLES", raising=False)
    monkeypatch.setenv("FLEXDSE_HOME", str(tmp_path))
    assert user_tables_folder() == tmp_path / "quality-tables"


def test_nothing_to_measure_is_said(flexdse: Run) -> None:
    shown = flexdse("quality-verify", "--model", "smollm2-135m")
    assert (shown.code, "no scheme to measure" in shown.err) == (2, True)
    shown = flexdse("quality-verify", "--model", "smollm2-135m", "--front", "/etc")
    assert (shown.code, "cannot be read: No such file or directory" in shown.err) == (2, True)
    assert "Errno" not in shown.err
