"""The commands of `flexdse` and how they end. Exit codes: 0 ok, 1 failed, 2 bad usage or bad input, 3 infeasible."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import flexdse
from flexdse.commands import (
    calibrate,
    catalog,
    compare,
    db,
    doctor,
    evaluate,
    explain,
    explore,
    front,
    intervals,
    jobs,
    keys,
    project,
    quality,
    quality_verify,
    quantize,
    report,
    service,
    simulate,
    sweep,
    synthesize,
    worker,
)
from flexdse.console import report_error
from flexdse.stopping import EXIT_INTERRUPTED
from flexdse.usage import report_usage, system_error
from spec.errors import FlexDSEError

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
app.command()(front.front)
app.command()(front.shortlist)
app.command()(front.export)
app.command()(explain.explain)
app.add_typer(sweep.sweep, name="sweep")
app.command()(compare.compare)
app.command()(project.generate)
app.command()(project.csim)
app.command()(project.pack)
app.command()(intervals.intervals)
app.command()(simulate.simulate)
app.command()(synthesize.synthesize)
app.add_typer(report.report, name="report")
app.command()(calibrate.calibrate)
app.command()(quantize.quantize)
app.command()(quality.quality)
app.command("quality-table")(quality.quality_table)
app.command("quality-verify")(quality_verify.quality_verify)
app.command()(service.serve)
app.command()(worker.worker)
app.add_typer(jobs.jobs, name="jobs")
app.add_typer(keys.keys, name="keys")
app.add_typer(db.db, name="db")
app.command()(catalog.schema)
app.command()(doctor.doctor)


def run() -> int:
    """Run the command of `sys.argv`; its exit code.

    Raises:
        Interrupted: stopped by Ctrl-C.
        Terminated: stopped by SIGTERM.
    """
    as_json = "--json" in sys.argv[1:]
    return _with_output_written(_run(as_json=as_json), as_json=as_json)


def _with_output_written(code: int, *, as_json: bool) -> int:
    """`code`, or a failure where what is still buffered for stdout cannot be written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would try once more at its end, fail again and replace our exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code == 0:
            report_error(system_error(error), as_json=as_json)
            return FlexDSEError.exit_code
    return code


def _run(*, as_json: bool) -> int:
    try:
        return int(app(standalone_mode=False) or 0)
    except typer.TyperException as error:
        return report_usage(error, sys.argv[1:], as_json=as_json)
    except FlexDSEError as error:
        report_error(error, as_json=as_json)
        return error.exit_code
    except typer.Abort:  # what typer makes of Ctrl-C, and of the end of its input where it asks
        return EXIT_INTERRUPTED
    except OSError as error:
        report_error(system_error(error), as_json=as_json)
        return FlexDSEError.exit_code
