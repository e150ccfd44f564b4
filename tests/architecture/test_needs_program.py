"""A missing program is a skip that is named at the end, or a failure where everything is required."""

from pathlib import Path

import pytest

pytest_plugins = "pytester"

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = """
    import pytest

    @pytest.mark.needs_program("sh")
    def test_present(): ...

    @pytest.mark.needs_program("sh", "no-such-program")
    def test_marked(): raise AssertionError

    def test_asked(require_program):
        assert require_program("sh").name == "sh"
        require_program("no-other-program")
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("FLEXDSE_REQUIRE", raising=False)
    pytester.makeini("[pytest]\nmarkers = needs_program(*names): test")
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyfile(TESTS)
    return pytester


def test_skip_is_named_in_the_summary(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(
        ["*skipped because a program is missing*", "no-other-program: *::test_asked", "no-such-program: *::test_marked"]
    )


def test_skip_is_a_failure_where_all_is_required(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXDSE_REQUIRE", "all")
    result = project.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*the program no-such-program is missing, and FLEXDSE_REQUIRE=all*"])
