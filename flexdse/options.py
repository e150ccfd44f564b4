"""Command line options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Model = Annotated[str, typer.Option("--model", help="Catalog name, or the config.json of a Llama-like checkpoint.")]
Device = Annotated[str, typer.Option("--device", help="Catalog name, or a device YAML of your own.")]
Design = Annotated[str, typer.Option("--design", help="Catalog name, or a design YAML or JSON.")]
PromptTokens = Annotated[int, typer.Option("--prompt-tokens", help="Tokens in.")]
OutputTokens = Annotated[int, typer.Option("--output-tokens", help="Tokens out.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; errors as one on stderr.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier project.")]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="FLEXDSE_SERVER",
        help="Run it on the service at this address, as `flexdse serve` prints it; FLEXDSE_TOKEN is the credential.",
    ),
]
