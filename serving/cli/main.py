"""The `cinefeast` command. Heavy imports stay inside each verb: `import feast` alone takes seconds."""

import os
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dbt_project.errors import CineFeastError
from dbt_project.workspace import workspace
from serving.cli.bench import bench
from serving.cli.peers import peers
from serving.cli.user import user

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(bench, name="bench")
app.add_typer(user, name="user")
app.add_typer(peers, name="peers")


class Backend(StrEnum):
    """What makes vectors of texts."""

    TFIDF = "tfidf"
    SENTENCES = "sentences"
    API = "api"


class Reduce(StrEnum):
    """How vectors are made shorter."""

    PCA = "pca"
    TRUNCATE = "truncate"


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="ml-100k, ml-latest-small, ml-1m, -10m, -20m, -25m or -32m")],
    archive: Annotated[Path | None, typer.Option(help="the published archive, already on disk")] = None,
    links: Annotated[Path | None, typer.Option(help="a csv of movieId,imdbId,tmdbId")] = None,
) -> None:
    """Land a MovieLens data set in the workspace."""
    from dbt_project.ingest import fetch as ingest
    from dbt_project.ingest.quality import told

    landed = ingest.fetch(name, workspace(), archive, links)
    for table, file in landed.files.items():
        print(f"{table}: {file['rows']:,} rows ({file['file'] or 'not in this data set'})")
        if reasons := landed.quality.unusable.get(table):
            print(f"  {sum(reasons.values()):,} of them cannot be used (dbt rejects them): {told(reasons)}")
    if landed.quality.unknown_genres:
        print(f"  genres that nobody knows, left out of films that have them: {told(landed.quality.unknown_genres)}")
    if landed.documents:
        print(f"knowledge graph: {landed.documents:,} films; {ingest.GRAPH_LICENCE}")
    elif not landed.files["links"]["rows"]:
        print("no links to TMDb, so no metadata of films: give a csv of movieId,imdbId,tmdbId with --links")
    print(f"landed {name} in {landed.directory}")
    print(ingest.LICENCE)


@app.command()
def collect(
    source: Annotated[
        Path | None, typer.Option("--from", help="TMDb documents that you have, one a line (.jsonl or .jsonl.gz)")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="ask again for films that changed from this day on")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="ask for so many films at most")] = None,
    rate: Annotated[float, typer.Option(min=1, max=50, help="requests a second at most")] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be asked for")] = False,
) -> None:
    """Land TMDb documents of the landed films in the workspace: from TMDb, or --from a file. Run again, it goes on."""
    from dbt_project.ingest import collect as ingest

    if source is not None:
        if since or limit or dry_run:
            raise CineFeastError("--from asks TMDB for nothing", "leave out --since, --limit and --dry-run")
        collected = ingest.collect(source, workspace())
        bad = f", {collected.bad:,} lines that are no JSON object (dbt rejects them)" if collected.bad else ""
        print(f"landed {collected.documents:,} documents{bad} in {collected.file}")
        print(ingest.NOTICE)
        return
    from dbt_project.ingest.tmdb.collector import collect_films
    from serving.cli.collect_summary import print_collected

    print(ingest.NOTICE)
    found = collect_films(workspace(), rate, since.date() if since else None, limit, dry_run)
    print_collected(found, workspace().raw_tmdb, rate, limit, dry_run)


@app.command()
def embed(
    dimensions: Annotated[int, typer.Option(min=2, max=4096, help="how long a film's vector is")] = 64,
    backend: Annotated[Backend, typer.Option(help="what makes the vectors")] = Backend.TFIDF,
    reduce: Annotated[Reduce, typer.Option(help="how a model's vectors are made shorter")] = Reduce.PCA,
    model: Annotated[str, typer.Option(help="api: the model's name")] = "BAAI/bge-m3",
    length: Annotated[int, typer.Option(min=2, help="api: how long the model's vectors are")] = 1024,
    batch_texts: Annotated[int, typer.Option(min=1, help="api: texts of a request at most")] = 32,
    batch_tokens: Annotated[int, typer.Option(min=16, help="api: tokens of a request at most")] = 8000,
    price: Annotated[float | None, typer.Option(min=0, help="api: dollars for a million tokens")] = None,
) -> None:
    """Make a vector of each landed film's text: title, plot, genres, keywords, director and lead cast."""
    from dbt_project.ingest import embed as run
    from dbt_project.ingest.embeddings.api import ApiEmbedder
    from dbt_project.ingest.embeddings.embedder import Embedder
    from dbt_project.ingest.embeddings.sentences import SentenceEmbedder

    if backend == Backend.TFIDF:
        embedded = run.embed(workspace(), dimensions)
    else:
        embedder: Embedder = SentenceEmbedder()
        if backend == Backend.API:
            embedder = ApiEmbedder(model, length, batch_texts, batch_tokens, price)
        embedded = run.embed_by(workspace(), dimensions, embedder, reduce.value)
    without = embedded.films - embedded.vectors
    alone = f"; {without:,} films whose text shares no word with another have none" if without else ""
    print(f"landed {embedded.vectors:,} vectors of {embedded.dimensions} by {embedded.model} in {embedded.file}{alone}")
    print("next: (cd dbt_project && dbt build)")


@app.command()
def synth(
    preset: Annotated[str, typer.Option(help="tiny, ml-100k, ml-1m, ml-10m, ml-32m or wide")],
    seed: Annotated[int, typer.Option(help="another seed, other data")] = 0,
    out: Annotated[Path | None, typer.Option(help="directory to write to")] = None,
) -> None:
    """Make up a data set of a published one's size: an archive and TMDb documents."""
    from dbt_project.synth.synth import synth as run

    made = run(preset, seed, out or workspace().synthetic / preset)
    counts = made.preset
    print(f"{counts.ratings:,} ratings by {counts.users:,} users, {counts.films:,} films, {counts.tags:,} tags")
    print(f"wrote {made.archive} and {made.documents} ({made.document_count:,} documents)")
    for command in made.next_commands:
        print(f"next: {command}")


@app.command()
def train(
    models: Annotated[
        list[str] | None, typer.Argument(help="names of models; those that are served if none is named")
    ] = None,
    protocol: Annotated[str, typer.Option(help="time (what is served) or leave-one-out")] = "time",
    final: Annotated[
        bool, typer.Option("--final", help="what is served, on all ratings, with what validation found")
    ] = False,
) -> None:
    """Train the models on the features of the workspace; with --final, once they are judged, on all ratings."""
    from models.final import check_named, train_final
    from models.train import train as run

    try:
        if final:
            check_named(models or [], protocol)
            train_final()
        else:
            run(models or [], protocol)
    except KeyboardInterrupt:
        kept = "kept are the samples that are done and the last epoch of a network: the same command goes on there"
        print(f"stopped: the models are those of before; {kept}", file=sys.stderr)
        raise typer.Exit(130) from None


@app.command()
def refresh() -> None:
    """Make films and counts of the final models those of now, in minutes; nothing is trained."""
    from models.refresh import refresh as run

    run()


@app.command()
def evaluate(
    protocol: Annotated[list[str] | None, typer.Option(help="one protocol, or several; all if none is named")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="a recall channel, or several, alone; every trained model if none is named")
    ] = None,
    save: Annotated[str | None, typer.Option(help="a name: write docs/results/NAME.json too")] = None,
) -> None:
    """Measure the trained models and write reports/metrics.json."""
    from rich.console import Console

    from models.evaluation.evaluate import evaluate as run
    from serving.reports.showcase import print_metrics

    run(protocol or [], model, save)
    print_metrics(Console(highlight=False, width=None if sys.stdout.isatty() else 160))
    print(f"wrote {workspace().reports / 'metrics.json'}")


@app.command()
def search(
    name: Annotated[str, typer.Argument(help="a recall channel with a space in models/configs/search/")],
    trials: Annotated[int | None, typer.Option(help="how many, those of earlier runs included")] = None,
    protocol: Annotated[str, typer.Option(help="time or leave-one-out")] = "time",
    save: Annotated[bool, typer.Option(help="write docs/results/search-....json")] = False,
) -> None:
    """Find a channel's parameters on validation; prints the best as TOML. Run again, it goes on."""
    from models.evaluation.search import as_toml
    from models.evaluation.search import search as run

    found = run(name, trials, protocol, save)
    print(f"best of {len(found['trials'])}, {found['measure']} {found['validation'][found['measure']]:.4f}:")
    print(as_toml(found["best"]))


@app.command("tune-merge")
def tune_merge(
    channels: Annotated[
        list[str] | None, typer.Argument(help="recall channels; those that are served if none is named")
    ] = None,
    protocol: Annotated[str, typer.Option(help="time or leave-one-out")] = "time",
    write: Annotated[bool, typer.Option(help="replace models/configs/merge.toml")] = False,
    save: Annotated[bool, typer.Option(help="write docs/results/merge-....json")] = False,
    few: Annotated[bool, typer.Option(help="the shares for users of fewer than five ratings")] = False,
) -> None:
    """Find weights and quotas of the merge on validation; prints them as TOML."""
    from models.evaluation.tune import tune as run
    from models.recall.merging import Merging

    found = run(channels or [], protocol, write, save, few)
    for name, measured in found["validation"].items():
        print(f"{name}: " + ", ".join(f"{metric} {value:.4f}" for metric, value in measured.items()))
    print(Merging.model_validate(found["merge"]).toml())


@app.command()
def ablate(
    model: Annotated[str, typer.Argument(help="a recall channel or a ranker")],
    name: Annotated[str, typer.Argument(help="one of its ablations in models/configs/ablations.toml")],
    seed: Annotated[list[int] | None, typer.Option(help="a seed, or several; 0 if none is named")] = None,
    protocol: Annotated[str, typer.Option(help="time or leave-one-out")] = "time",
) -> None:
    """Train a model in variants and write what each reaches to docs/results. Run again, it goes on."""
    from models.evaluation.ablate import ablate as run

    path, _ = run(model, name, seed, protocol)
    print(f"wrote {path}")


@app.command()
def rankers(
    names: Annotated[list[str] | None, typer.Argument(help="rankers; all if none is named")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="a seed, or several; 0 if none is named")] = None,
    save: Annotated[bool, typer.Option(help="write docs/results/rankers-....json")] = False,
) -> None:
    """Train every ranker on the samples of `cinefeast train` and measure them side by side."""
    from models.evaluation.rankers import rankers as run

    path, _ = run(names or [], seed or [], save)
    print(f"wrote {path}")


@app.command()
def tables() -> None:
    """Write the documentation's tables anew from docs/results, and that of the settings."""
    from models.evaluation.tables import rewrite
    from serving.cli.settings import markdown

    changed = rewrite({"settings": lambda place: markdown()})
    print("\n".join(f"wrote {page}" for page in changed) or "the tables are those of docs/results already")


@app.command()
def report() -> None:
    """Write the metrics and a look at the data as one HTML page."""
    from serving.reports.report import report as write_report

    print(f"wrote {write_report()}")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="port to listen on")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="processes that answer, each with all models")] = 1,
    may_be_open: Annotated[
        bool, typer.Option("--open", help="answer about any user without a key, on any address, if no read key is set")
    ] = False,
) -> None:
    """Answer recommendations over HTTP until stopped."""
    from serving.runtime.server import serve as run

    def create_app(*arguments: Any) -> Any:
        from serving.api.app import create_app

        return create_app(*arguments)

    def create_admin(*arguments: Any) -> Any:
        from serving.api.admin import create_admin

        return create_admin(*arguments)

    run(create_app, create_admin, host, port, workers, may_be_open)


@app.command()
def precompute() -> None:
    """Keep the vectors of all users in Redis, for `cinefeast serve` with CINEFEAST_USER_VECTORS=batch."""
    from serving.runtime.precompute import precompute as run

    print(f"kept {run():,} vectors")


@app.command()
def demo(
    dataset: Annotated[str, typer.Option(help="a data set that `cinefeast fetch` knows")] = "ml-100k",
    archive: Annotated[Path | None, typer.Option(help="the published archive, already on disk")] = None,
    links: Annotated[Path | None, typer.Option(help="a csv of movieId,imdbId,tmdbId")] = None,
    tmdb: Annotated[Path | None, typer.Option(help="TMDb documents, .jsonl.gz, for `cinefeast collect`")] = None,
) -> None:
    """Run the whole chain on one data set and show what it recommends."""
    from serving.cli.demo import demo as run

    run(dataset, archive, links, tmdb)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of tables")] = False,
) -> None:
    """Check the workspace: what is missing, stale, lost or drifted. Exits with 1 if anything is wrong."""
    import json

    from serving.doctor.examine import examine

    found = examine(workspace())
    if as_json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        from serving.doctor.table import print_diagnosis

        print_diagnosis(found)
    raise typer.Exit(found.status == "wrong")


@app.command("mend-online")
def mend_online() -> None:
    """Let the next `feast materialize` replace rows that are of a moment to come, which nothing replaces else."""
    from feature_repo.online_store.ahead import let_go
    from feature_repo.store import load_store
    from serving.features.reader import MATERIALIZE, ONLINE_ERRORS, feast_command, unavailable

    try:
        count = let_go(load_store())
    except ONLINE_ERRORS as error:
        raise unavailable(error) from error
    after = f"; next: {feast_command(MATERIALIZE)}" if count else ""
    print(f"{count:,} rows online were of a moment to come{after}")


@app.command()
def replay(
    since: Annotated[datetime | None, typer.Option(help="answers from this moment on, UTC; all if not given")] = None,
) -> None:
    """Compare logged features with what was known when they were served. Exits with 1 if any value differs."""
    from datetime import UTC

    from feature_repo.store import load_store
    from serving.monitoring.replay import keep, told
    from serving.monitoring.replay import replay as run

    began, after = datetime.now(UTC), since.replace(tzinfo=UTC) if since else None
    found = run(load_store(), after)
    keep(found, after, began, workspace())
    print("\n".join(told(found)))
    raise typer.Exit(any(one.same < one.count for one in found))


@app.command()
def settings(
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects instead of a table")] = False,
) -> None:
    """Print every environment variable: value, source, meaning. Exits with 1 if a value cannot be used."""
    from serving.cli.settings import print_settings

    print_settings(as_json)


def main() -> None:
    """Run the command line; a user's mistake ends in one line on stderr and exit code 1."""
    # Matrices here are small: threads of one matrix product wait for each other longer than they compute, and on a
    # busy machine 10 times longer (docs/evaluation.md). DuckDB has threads of its own. Set it to have more.
    if sys.argv[1:2] != ["settings"]:  # which tells what others have set
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        app()
    except CineFeastError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
