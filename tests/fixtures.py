"""Small made-up data in the published layouts, for every test and for the dbt build of `make test`.

A seeded generator: users like a few genres, films have two of them and a quality, so that a model has
something to learn. Films, people and documents come from tests/fixture_films.py. Nothing here is real data.

    data = write_fixture(directory)     # ml-latest-small layout (csv) and a TMDb jsonl.gz
    write_dat_archive(directory)        # the same ratings in the ml-1m layout (`::`, latin-1), with users.dat
"""

import csv
import gzip
import io
import json
import random
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.fixture_films import Film, documents, make_films

START = 1_451_606_400  # 2016-01-01, UTC
YEARS = 3
USERS = 60
UNKNOWN_MOVIE = 999_999
BAD_DOCUMENT = '{"id": 1, "title": "cut in the mid'

Rating = tuple[int, int, float, int]  # user_id, movie_id, rating, timestamp
Row = tuple[str, ...]


@dataclass(frozen=True)
class FixtureData:
    """Where the files lie and what a correct reader finds in them.

    `rejected` counts the bad lines of the ratings file by the reason that dbt gives for each; `ratings` are
    the good rows in file order (the first of the two duplicate lines is good).
    """

    archive: Path
    tmdb: Path
    ratings: list[Rating]
    rejected: dict[str, int]
    rating_lines: int
    users: int
    films: list[Film]
    tags: int
    links: int
    documents: int
    bad_documents: int

    @property
    def ids(self) -> tuple[list[int], list[int]]:
        """Users who rated, and all films."""
        return sorted({user for user, *_ in self.ratings}), sorted(film.movie_id for film in self.films)


def make_ratings(films: list[Film], rng: random.Random) -> list[Rating]:
    """About 4,000 (user_id, movie_id, rating, timestamp), users in a row as MovieLens has them."""
    rated = films[:-3]  # three films that nobody rated
    genres = sorted({genre for film in films for genre in film.genres})
    rows = []
    for user_id in range(1, USERS + 1):
        taste = {genre: rng.gauss(0, 0.4) for genre in genres}
        for favourite in rng.sample(genres, 3):
            taste[favourite] = 1.4
        level = 3.1 + rng.gauss(0, 0.3)
        liking = {film.movie_id: sum(taste[genre] for genre in film.genres) / 2 for film in rated}
        weight = {film.movie_id: film.popularity * 3 ** liking[film.movie_id] for film in rated}
        # the n films with the largest u**(1/w): sampling without replacement, by weight
        keyed = sorted(rated, key=lambda film: rng.random() ** (1 / weight[film.movie_id]), reverse=True)
        chosen = keyed[: rng.randint(20, 118)]
        rng.shuffle(chosen)
        for film, at in zip(chosen, make_times(len(chosen), rng), strict=True):
            value = level + liking[film.movie_id] + film.quality + rng.gauss(0, 0.45)
            rows.append((user_id, film.movie_id, min(5.0, max(0.5, round(value * 2) / 2)), at))
    return rows


def make_times(count: int, rng: random.Random) -> list[int]:
    """Ascending seconds: sessions on a few days, and in a session often several ratings in one second."""
    opened = START + rng.randrange(YEARS * 365 * 86_400 * 2 // 3)
    sessions = sorted([opened, *(opened + rng.randrange(365 * 86_400) for _ in range(rng.randint(1, 4)))])
    times: list[int] = []
    for number, at in enumerate(sessions):
        left = count - len(times)
        is_last = number == len(sessions) - 1
        for _ in range(left if is_last else min(left, rng.randint(1, 1 + count // len(sessions)))):
            at += rng.choice((0, 0, 1, 4, 9, 30))
            times.append(at)
    return sorted(times)


def rating_lines(rows: list[Rating], unrated: int) -> tuple[list[Row], dict[str, int]]:
    """The rows as text with exactly five bad lines among them, and how many there are of each kind.

    The bad lines name the film `unrated`, so that each of them is bad for one reason only.
    """
    lines: list[Row] = [(str(u), str(m), f"{r:.1f}", str(t)) for u, m, r, t in rows]
    bad: dict[int, tuple[str, Row]] = {
        300: ("wrong number of fields", ("3", str(unrated), "4.0")),
        700: ("rating is not between 0.5 and 5", ("4", str(unrated), "7.0", str(START + 5))),
        1100: ("rating is not a number", ("5", str(unrated), "abc", str(START + 6))),
        1500: ("movie id is not in the movies file", ("6", str(UNKNOWN_MOVIE), "3.0", str(START + 7))),
        1900: ("same user, movie and second as an earlier line", lines[40]),
    }
    for at in sorted(bad, reverse=True):
        lines.insert(at, bad[at][1])
    return lines, {reason: 1 for reason, _ in bad.values()}


def make_tags(rows: list[Rating], rng: random.Random) -> list[Row]:
    """120 tags on rated films, some of them with commas, quotes or another script."""
    words = ["slow burn", "twist, at the end", 'so-called "classic"', "夜の街", "любимое", "déjà vu", "heist"]
    picked = rng.sample(rows, 120)
    return [(str(u), str(m), rng.choice(words), str(t + 60)) for u, m, _, t in sorted(picked)]


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    """A zip whose bytes depend on nothing but its members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return path


def csv_bytes(header: str, rows: list) -> bytes:
    """A csv file as GroupLens writes it: UTF-8, CRLF, quotes where needed."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([header.split(","), *rows])
    return text.getvalue().encode()


def write_fixture(directory: Path, seed: int = 7) -> FixtureData:
    """Write `ml-latest-small.zip` and `tmdb.jsonl.gz` into `directory` and say what is in them."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    films = make_films(rng)
    ratings = make_ratings(films, rng)
    lines, rejected = rating_lines(ratings, films[-1].movie_id)
    tags = make_tags(ratings, rng)
    links = [(f.movie_id, f"{f.movie_id:07d}", f.tmdb_id or "") for f in films]
    members = {
        "ratings.csv": csv_bytes("userId,movieId,rating,timestamp", lines),
        "movies.csv": csv_bytes("movieId,title,genres", [(f.movie_id, f.title, f.genre_text) for f in films]),
        "tags.csv": csv_bytes("userId,movieId,tag,timestamp", tags),
        "links.csv": csv_bytes("movieId,imdbId,tmdbId", links),
        "README.txt": b"Made up by tests/fixtures.py\n",
    }
    archive = write_zip(
        directory / "ml-latest-small.zip", {f"ml-latest-small/{name}": data for name, data in members.items()}
    )
    docs = documents(films, rng)
    written = [json.dumps(document, ensure_ascii=False) for document in docs]
    written.insert(len(written) // 2, BAD_DOCUMENT)
    tmdb = directory / "tmdb.jsonl.gz"
    tmdb.write_bytes(gzip.compress("".join(f"{line}\n" for line in written).encode(), mtime=0))
    return FixtureData(
        archive=archive, tmdb=tmdb, ratings=ratings, rejected=rejected, rating_lines=len(lines), users=USERS,
        films=films, tags=len(tags), links=len(links), documents=len(docs), bad_documents=1,
    )  # fmt: skip


def write_dat_archive(directory: Path, seed: int = 7) -> Path:
    """The same ratings (bad lines too) and films as `ml-1m.zip`: `::` between fields, latin-1, users.dat.

    Titles that latin-1 cannot hold are replaced by their number.
    """
    directory.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    films = make_films(rng)
    lines, _ = rating_lines(make_ratings(films, rng), films[-1].movie_id)
    movies: list[Row] = [(str(f.movie_id), f.latin_title, f.genre_text) for f in films]
    users = [make_user(user_id, rng) for user_id in range(1, USERS + 1)]
    tables: dict[str, list[Row]] = {"ratings": lines, "movies": movies, "users": users}
    members = {
        f"ml-1m/{name}.dat": "".join("::".join(row) + "\n" for row in rows).encode("latin-1")
        for name, rows in tables.items()
    }
    return write_zip(directory / "ml-1m.zip", members)


def make_user(user_id: int, rng: random.Random) -> Row:
    """user_id, gender, age, occupation and zip code, coded as users.dat of ml-1m codes them."""
    age = rng.choice((1, 18, 25, 35, 45, 50, 56))
    return str(user_id), rng.choice("FM"), str(age), str(rng.randrange(21)), f"{rng.randrange(100_000):05d}"
