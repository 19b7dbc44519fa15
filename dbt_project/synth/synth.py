"""`cinefeast synth`: a made-up data set in the layout of ml-32m, and TMDb-shaped documents of its films."""

import shlex
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dbt_project.errors import CineFeastError
from dbt_project.ingest.progress import count_progress
from dbt_project.synth.archive import LAYOUT, create_gzip, create_member, create_zip, write_rows, writing
from dbt_project.synth.documents import documents
from dbt_project.synth.films import GENRES, make_films
from dbt_project.synth.presets import Preset, find_preset
from dbt_project.synth.ratings import World, chunks, make_ratings, make_world, ratings_table
from dbt_project.synth.tags import make_tag_counts, tags_table
from dbt_project.synth.taste import make_space
from dbt_project.synth.texts import Texts, links_table, make_texts, movie_lines
from dbt_project.synth.users import make_users

DOCUMENTS = "movies.jsonl.gz"
README = """\
This is not a MovieLens data set. `cinefeast synth --preset {name} --seed {seed}` made it up, in the layout of {layout}.
Films, people and users are invented; no rating was given by anybody.
"""


@dataclass(frozen=True)
class Synthesised:
    """The files written, and how many documents there are. Other counts are the preset's."""

    preset: Preset
    archive: Path
    documents: Path
    document_count: int

    @property
    def next_commands(self) -> tuple[str, str]:
        """What lands the files in the workspace."""
        fetch = ["cinefeast", "fetch", LAYOUT, "--archive", str(self.archive)]
        return shlex.join(fetch), shlex.join(["cinefeast", "collect", "--from", str(self.documents)])


def synth(name: str, seed: int, out: Path) -> Synthesised:
    """Write `out`/<preset>.zip and `out`/movies.jsonl.gz; the same preset and seed give the same bytes.

    Raises CineFeastError for an unknown preset, a negative seed, and an `out` that cannot be written.
    """
    preset = find_preset(name)
    if seed < 0:
        raise CineFeastError(f"seed {seed} is negative", f"cinefeast synth --preset {name} --seed 0")
    with writing(out) as aside:
        world, texts = make_all(preset, seed)
        count = write_documents(aside / DOCUMENTS, world, texts, seed)
        with create_zip(aside / f"{name}.zip") as archive:
            write_archive(archive, world, texts, seed)
    return Synthesised(preset, out / f"{name}.zip", out / DOCUMENTS, count)


def make_all(preset: Preset, seed: int) -> tuple[World, Texts]:
    """Everything but the ratings, which are made when they are written."""
    space = make_space(len(GENRES), stage(seed, "space"))
    films = make_films(preset, space, stage(seed, "films"))
    users = make_users(preset, space, films, stage(seed, "users"))
    return make_world(preset, space, films, users, stage(seed, "world")), make_texts(films, stage(seed, "texts"))


def stage(seed: int, name: str, number: int = 0) -> np.random.Generator:
    """The random numbers of one stage: more or fewer drawn in one leave the others as they are."""
    return np.random.default_rng([seed, number, *name.encode()])


def write_documents(path: Path, world: World, texts: Texts, seed: int) -> int:
    """Write the documents, one a line; returns how many."""
    count = 0
    with create_gzip(path) as stream, count_progress("documents", len(texts.title)) as on_progress:
        for count, line in enumerate(documents(world.films, texts, stage(seed, "documents")), 1):
            stream.write(f"{line}\n".encode())
            on_progress(count)
    return count


def write_archive(archive: zipfile.ZipFile, world: World, texts: Texts, seed: int) -> None:
    """Write the members of the archive. Ratings are made a range of users at a time, and their tags with them."""
    preset, films = world.preset, world.films
    tag_counts = make_tag_counts(preset, world.users.ratings, stage(seed, "tag counts"))
    tags, done = [], 0
    with (
        create_member(archive, "ratings.csv", "userId,movieId,rating,timestamp") as stream,
        count_progress("ratings", preset.ratings) as on_progress,
    ):
        for number, (first, last) in enumerate(chunks(world)):
            made = make_ratings(world, first, last, stage(seed, "ratings", number))
            write_rows(stream, ratings_table(made, films))
            tags.append(tags_table(made, tag_counts, films, texts, stage(seed, "tags", number)))
            done += len(made.user)
            on_progress(done)
    with create_member(archive, "tags.csv", "userId,movieId,tag,timestamp") as stream:
        for table in tags:
            write_rows(stream, table)
    with create_member(archive, "movies.csv", "movieId,title,genres") as stream:
        stream.writelines(movie_lines(films, texts, stage(seed, "titles")))
    with create_member(archive, "links.csv", "movieId,imdbId,tmdbId") as stream:
        write_rows(stream, links_table(films, texts))
    with create_member(archive, "README.txt") as stream:
        stream.write(README.format(name=preset.name, seed=seed, layout=LAYOUT).encode())
