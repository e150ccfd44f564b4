"""The command line. Exit codes: 0 ok, 1 failed, 2 bad usage or bad input, 3 infeasible."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import flexdse
from flexdse.commands import catalog, doctor, evaluate, explore, project, service
from flexdse.console import report_error
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
app.command()(project.generate)
app.command()(project.csim)
app.command()(service.serve)
app.add_typer(service.db, name="db")
app.command()(catalog.schema)
app.command()(doctor.doctor)


def main() -> None:
    """Entry point of `flexdse`."""
    as_json = "--json" in sys.argv[1:]
    try:
        app()
    except FlexDSEError as error:
        report_error(error, as_json=as_json)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe is gone (`flexdse ... | head`): nobody is left to tell.
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        report_error(FlexDSEError(f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")), as_json=as_json)
        sys.exit(1)


if __name__ == "__main__":
    main()
