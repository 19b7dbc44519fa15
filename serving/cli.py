"""The `cinefeast` command. Heavy imports stay inside each verb: `import feast` alone takes seconds."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from dbt_project.errors import CineFeastError
from dbt_project.workspace import workspace

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="ml-100k, ml-latest-small, ml-1m, -10m, -20m, -25m or -32m")],
    archive: Annotated[Path | None, typer.Option(help="the published archive, already on disk")] = None,
    links: Annotated[Path | None, typer.Option(help="a csv of movieId,imdbId,tmdbId")] = None,
) -> None:
    """Land a MovieLens data set in the workspace."""
    from dbt_project.ingest import fetch as ingest

    landed = ingest.fetch(name, workspace(), archive, links)
    for table, file in landed.files.items():
        malformed = f", {file['malformed']:,} of them malformed" if file["malformed"] else ""
        print(f"{table}: {file['rows']:,} rows{malformed} ({file['file'] or 'not in this data set'})")
    if landed.documents:
        print(f"knowledge graph: {landed.documents:,} films; {ingest.GRAPH_LICENCE}")
    elif not landed.files["links"]["rows"]:
        print("no links to TMDb, so no metadata of films: give a csv of movieId,imdbId,tmdbId with --links")
    print(f"landed {name} in {landed.directory}")
    print(ingest.LICENCE)


@app.command()
def collect(
    source: Annotated[Path, typer.Option("--from", help="TMDb documents, one a line (.jsonl or .jsonl.gz)")],
) -> None:
    """Land TMDb documents in the workspace."""
    from dbt_project.ingest import collect as ingest

    collected = ingest.collect(source, workspace())
    bad = f", {collected.bad:,} lines that are no JSON object (dbt rejects them)" if collected.bad else ""
    print(f"landed {collected.documents:,} documents{bad} in {collected.file}")
    print(ingest.NOTICE)


def main() -> None:
    """Run the command line; a user's mistake ends in one line on stderr and exit code 1."""
    try:
        app()
    except CineFeastError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
