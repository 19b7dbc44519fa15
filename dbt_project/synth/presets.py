"""The sizes that `cinefeast synth` writes: counts and dates of the published MovieLens data sets."""

from dataclasses import dataclass
from datetime import UTC, datetime

from dbt_project.errors import CineFeastError


@dataclass(frozen=True)
class Preset:
    """How much is made. `start` and `end` are the first and the last moment of a rating, ISO, UTC."""

    name: str
    ratings: int
    users: int
    films: int
    rated_films: int
    tags: int
    start: str
    end: str

    @property
    def first_second(self) -> int:
        """`start` in seconds since 1970."""
        return seconds(self.start)

    @property
    def last_second(self) -> int:
        """`end` in seconds since 1970."""
        return seconds(self.end)


def seconds(iso_time: str) -> int:
    """An ISO moment in UTC as seconds since 1970."""
    return int(datetime.fromisoformat(iso_time).replace(tzinfo=UTC).timestamp())


# Counts: the README of each data set. ml-10m's README says 71,567 users, its ratings.dat has 69,878.
PRESETS = {
    preset.name: preset
    for preset in (
        Preset("tiny", 20_000, 200, 1_000, 980, 500, "1995-01-09T11:46:44", "2023-10-12T23:59:59"),
        Preset("ml-100k", 100_000, 943, 1_682, 1_682, 0, "1997-09-20T03:05:10", "1998-04-22T23:10:38"),
        Preset("ml-1m", 1_000_209, 6_040, 3_883, 3_706, 0, "2000-04-25T23:05:32", "2003-02-28T17:49:50"),
        Preset("ml-10m", 10_000_054, 69_878, 10_681, 10_677, 95_580, "1995-01-09T11:46:49", "2009-01-05T05:02:16"),
        Preset("ml-32m", 32_000_204, 200_948, 87_585, 84_432, 2_000_072, "1995-01-09T11:46:44", "2023-10-12T23:59:59"),
        # a catalogue as wide as ml-32m's with few ratings, so that serving can be measured without training for long
        Preset("wide", 200_000, 2_000, 87_585, 40_000, 500, "1995-01-09T11:46:44", "2023-10-12T23:59:59"),
    )
}


def find_preset(name: str) -> Preset:
    """The preset called `name`; CineFeastError with the known names where there is none."""
    if name not in PRESETS:
        raise CineFeastError(
            f"no preset is called {name!r}; known: {', '.join(PRESETS)}", "cinefeast synth --preset ml-32m"
        )
    return PRESETS[name]
