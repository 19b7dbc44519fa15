"""The `cinefeast peers` commands. Heavy imports stay inside each."""

from typing import Annotated

import typer

peers = typer.Typer(no_args_is_help=True, help="Other libraries on the same split and cases; `make peers` runs it all.")


@peers.command()
def export(protocol: Annotated[str, typer.Option(help="time or leave-one-out")] = "time") -> None:
    """Write the split and the cases as parquet to the workspace."""
    from models.evaluation.peers import export as run

    print(f"wrote {run(protocol)}")


@peers.command()
def measure(protocol: Annotated[str, typer.Option(help="time or leave-one-out")] = "time") -> None:
    """Measure the peers' answers beside ours and write docs/results/peers-....json."""
    from models.evaluation.peers import measure as run

    print(f"wrote {run(protocol)}")
