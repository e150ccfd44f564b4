"""The command line. Exit codes: 0 ok, 1 failed, 2 bad usage or bad input, 3 infeasible, 130 stopped by Ctrl-C."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, NoReturn

import typer

import flexdse
from flexdse.commands import (
    calibrate,
    catalog,
    compare,
    doctor,
    evaluate,
    explore,
    project,
    report,
    service,
    synthesize,
)
from flexdse.console import note, report_error
from flexdse.usage import report_usage, system_error
from spec.errors import FlexDSEError

EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143  # as a shell counts them

app = typer.Typer(
    name="flexdse",
    help="Design-space exploration and HLS generation of LLM accelerators on FPGA cards.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(flexdse.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Design-space exploration and HLS generation of LLM accelerators on FPGA cards."""


app.add_typer(catalog.devices, name="devices")
app.add_typer(catalog.models, name="models")
app.add_typer(catalog.designs, name="designs")
app.command()(evaluate.evaluate)
app.command()(explore.explore)
app.command()(compare.compare)
app.command()(project.generate)
app.command()(project.csim)
app.command()(synthesize.synthesize)
app.add_typer(report.report, name="report")
app.command()(calibrate.calibrate)
app.command()(service.serve)
app.add_typer(service.db, name="db")
app.command()(catalog.schema)
app.command()(doctor.doctor)


def main() -> None:
    """Entry point of `flexdse`."""
    before = signal.signal(signal.SIGTERM, _unwind)
    try:
        code = _run(as_json="--json" in sys.argv[1:])
    finally:
        signal.signal(signal.SIGTERM, before)
    if code in (EXIT_INTERRUPTED, EXIT_TERMINATED):
        note("stopped")
    sys.exit(code)


def _run(*, as_json: bool) -> int:
    try:
        return int(app(standalone_mode=False) or 0)
    except typer.TyperException as error:
        return report_usage(error, sys.argv[1:], as_json=as_json)
    except FlexDSEError as error:
        report_error(error, as_json=as_json)
        return error.exit_code
    except typer.Abort:
        return EXIT_INTERRUPTED
    except _Terminated:
        return EXIT_TERMINATED
    except OSError as error:
        report_error(system_error(error), as_json=as_json)
        return FlexDSEError.exit_code


class _Terminated(BaseException):
    """SIGTERM. As at Ctrl-C whoever is at work cleans up: no half-written folder, no compiler left running."""


def _unwind(*_: object) -> NoReturn:
    raise _Terminated


if __name__ == "__main__":
    main()
