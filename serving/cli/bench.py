"""The `cinefeast bench` commands. Heavy imports stay inside each."""

from typing import Annotated

import typer

from dbt_project.workspace import workspace

bench = typer.Typer(no_args_is_help=True, help="Measure what this installation costs on this machine.")


@bench.command()
def features(
    rows: Annotated[int | None, typer.Option(min=100, help="at most so many labels, for a quick run")] = None,
) -> None:
    """Measure the feature store beside hand-written SQL and stock Feast; the last line is JSON."""
    from feature_repo.bench.features import measure
    from serving.bench.tables import print_features

    print_features(measure(workspace(), rows))


@bench.command()
def recall(
    beside: Annotated[
        str | None,
        typer.Option(help='another library to train beside: ".venv-peers/bin/python tests/peers/speed.py"'),
    ] = None,
) -> None:
    """Measure ItemCF's fit, training speed, search and the trained channels; the last line is JSON."""
    from models.bench.recall import measure
    from serving.bench.tables import print_recall

    print_recall(measure(workspace(), beside))


@bench.command("serve")
def bench_serve(
    seconds: Annotated[float, typer.Option(min=1, help="how long each number of clients asks")] = 20,
    soak: Annotated[float, typer.Option(min=0, help="then eight clients ask for so many seconds")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=64, help="processes that answer")] = 1,
) -> None:
    """Measure full recommendations over HTTP at 1, 8 and 32 clients; the last line is JSON."""
    from serving.bench.serve import measure
    from serving.bench.tables import print_serve

    print_serve(measure(seconds, soak, workers))


@bench.command()
def vectors(
    users: Annotated[int, typer.Option(min=2, help="how many known users are asked for")] = 300,
) -> None:
    """Measure answers in each mode of CINEFEAST_USER_VECTORS, in turns; the last line is JSON."""
    from serving.bench.tables import print_vectors
    from serving.bench.vectors import measure

    print_vectors(measure(users))


@bench.command()
def rank(
    candidates: Annotated[int, typer.Option(min=1, help="films to score")] = 500,
) -> None:
    """Measure how long scoring one user's candidates takes; the last line is JSON."""
    from models.bench.rank import measure
    from serving.bench.tables import print_rank

    print_rank(measure(candidates))


@bench.command()
def samples(
    events: Annotated[int, typer.Option(min=100, help="events to make samples of")] = 100_000,
) -> None:
    """Measure how fast training samples are made and with how much memory; the last line is JSON."""
    from models.bench.samples import measure
    from serving.bench.tables import print_samples

    print_samples(measure(workspace(), events))


@bench.command()
def warehouse(
    share: Annotated[float, typer.Option(min=0.0001, max=1, help="the last ratings by time that are appended")] = 0.01,
    late: Annotated[
        bool, typer.Option("--late", help="ratings from all of the past are appended, which come years late")
    ] = False,
) -> None:
    """Measure a full dbt build and one after new ratings; the last line is JSON."""
    from dbt_project.bench import measure
    from serving.bench.tables import print_warehouse

    print_warehouse(measure(workspace(), share, late))


@bench.command()
def events(
    count: Annotated[int, typer.Option("--events", min=1000, help="events that a build reads")] = 1_000_000,
) -> None:
    """Measure landing events, singly and by pushes of 1,000, and a build's reading of them; the last line is JSON."""
    import json

    from dbt_project.bench_events import measure

    print(json.dumps(measure(workspace(), count).summary()))
