"""The MovieLens data sets that `cinefeast fetch` knows: where each is published and what its files look like.

F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. ACM TiiS 5, 4.
https://doi.org/10.1145/2827872
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from dbt_project.errors import CineFeastError

# What is landed: the columns of each table of raw/movielens, between line_number and malformed_line.
TABLES: dict[str, tuple[str, ...]] = {
    "ratings": ("user_id", "movie_id", "rating", "timestamp"),
    "movies": ("movie_id", "title", "genres", "release_year"),
    "tags": ("user_id", "movie_id", "tag", "timestamp"),
    "links": ("movie_id", "imdb_id", "tmdb_id"),
    "users": ("user_id", "gender", "age", "occupation", "zip_code"),
}
REQUIRED = ("ratings", "movies")


@dataclass(frozen=True)
class FileFormat:
    """How one published file is to be read.

    `columns` maps the published column to the landed one. Without a header they are the fields in order.
    `free_text` is the landed column that may itself hold the separator (`::` files, which quote nothing).
    `convert` rewrites the values of a landed column that is written otherwise than in the other data sets.
    """

    name: str
    separator: str
    columns: dict[str, str]
    encoding: str = "utf-8"
    has_header: bool = True
    is_quoted: bool = False
    free_text: str | None = None
    convert: dict[str, Callable[[str], str]] = field(default_factory=dict)


def stable_id(entity: str) -> int:
    """A negative id for a Freebase entity (`m.0abc`), the same everywhere; TMDb's own ids are positive."""
    digest = int.from_bytes(hashlib.blake2b(entity.encode(), digest_size=8).digest())
    return -(1 + digest % (2**31 - 1))


def csv_file(name: str, **columns: str) -> FileFormat:
    """A comma separated file with a header and quotes, as GroupLens publishes since ml-20m."""
    return FileFormat(name, ",", columns, is_quoted=True)


def dat_file(name: str, columns: tuple[str, ...], encoding: str, free_text: str | None = None) -> FileFormat:
    """A `::` separated file without a header, as ml-1m and ml-10m have."""
    return FileFormat(name, "::", {column: column for column in columns}, encoding, False, False, free_text)


LINKS_CSV = csv_file("links.csv", movieId="movie_id", imdbId="imdb_id", tmdbId="tmdb_id")
CSV_LAYOUT = {
    "ratings": csv_file("ratings.csv", userId="user_id", movieId="movie_id", rating="rating", timestamp="timestamp"),
    "movies": csv_file("movies.csv", movieId="movie_id", title="title", genres="genres"),
    "tags": csv_file("tags.csv", userId="user_id", movieId="movie_id", tag="tag", timestamp="timestamp"),
    "links": LINKS_CSV,
}


def dat_layout(encoding: str, *optional: str) -> dict[str, FileFormat]:
    """The `::` files. ml-1m is latin-1 and has users.dat, ml-10m is UTF-8 and has tags.dat."""
    files = {
        "ratings": dat_file("ratings.dat", TABLES["ratings"], encoding),
        "movies": dat_file("movies.dat", ("movie_id", "title", "genres"), encoding, "title"),
        "tags": dat_file("tags.dat", TABLES["tags"], encoding, "tag"),
        "users": dat_file("users.dat", TABLES["users"], encoding),
    }
    return {table: files[table] for table in (*REQUIRED, *optional)}


# RecBole's atomic files: tab separated, a header of `name:type`, no quotes.
RECBOLE_LAYOUT = {
    "ratings": FileFormat(
        "ml-100k.inter",
        "\t",
        {
            "user_id:token": "user_id",
            "item_id:token": "movie_id",
            "rating:float": "rating",
            "timestamp:float": "timestamp",
        },
    ),
    "movies": FileFormat(
        "ml-100k.item",
        "\t",
        {
            "item_id:token": "movie_id",
            "movie_title:token_seq": "title",
            "release_year:token": "release_year",
            "class:token_seq": "genres",
        },
        convert={"genres": lambda genres: genres.replace(" ", "|")},
    ),
    "links": FileFormat(
        "ml-100k.link",
        "\t",
        {"item_id:token": "movie_id", "entity_id:token": "tmdb_id"},
        convert={"tmdb_id": lambda entity: str(stable_id(entity))},
    ),
    "users": FileFormat(
        "ml-100k.user",
        "\t",
        {f"{name}:token": name for name in TABLES["users"]},
    ),
}


@dataclass(frozen=True)
class MovieLens:
    """One data set: its archive, what the archive's top folder is called, and its files.

    `md5` is GroupLens' published checksum; None where the archive is renewed and the checksum is read from
    the .md5 file beside it.
    """

    name: str
    folder: str
    layout: dict[str, FileFormat]
    source: Literal["grouplens", "recbole"] = "grouplens"
    md5: str | None = None

    @property
    def archive(self) -> str:
        """The published file name."""
        return "recbole-1.2.1-py3-none-any.whl" if self.source == "recbole" else f"{self.name}.zip"


DATASETS = {
    dataset.name: dataset
    for dataset in (
        MovieLens("ml-100k", "recbole/dataset_example/ml-100k", RECBOLE_LAYOUT, source="recbole"),
        MovieLens("ml-latest-small", "ml-latest-small", CSV_LAYOUT),
        MovieLens("ml-1m", "ml-1m", dat_layout("latin-1", "users"), md5="c4d9eecfca2ab87c1945afe126590906"),
        MovieLens("ml-10m", "ml-10M100K", dat_layout("utf-8", "tags"), md5="ce571fd55effeba0271552578f2648bd"),
        MovieLens("ml-20m", "ml-20m", CSV_LAYOUT, md5="cd245b17a1ae2cc31bb14903e1204af3"),
        MovieLens("ml-25m", "ml-25m", CSV_LAYOUT, md5="6b51fb2759a8657d3bfcbfc42b592ada"),
        MovieLens("ml-32m", "ml-32m", CSV_LAYOUT, md5="d472be332d4daa821edc399621853b57"),
    )
}


def find_dataset(name: str) -> MovieLens:
    """The data set called `name`; CineFeastError with the known names where there is none."""
    if name not in DATASETS:
        raise CineFeastError(f"no data set is called {name!r}; known: {', '.join(DATASETS)}", "cinefeast fetch NAME")
    return DATASETS[name]
