"""Made-up data sets, written once, and read by other means than the product's."""

import gzip
import json
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd
import pytest

from dbt_project.synth import presets
from dbt_project.synth.synth import Synthesised, synth
from tests.ingest.conftest import cinefeast, space

__all__ = ["cinefeast", "space"]
LAYOUT = "ml-32m"


@dataclass(frozen=True)
class Data:
    """What `synth` wrote."""

    made: Synthesised

    def text(self, name: str) -> str:
        with zipfile.ZipFile(self.made.archive) as archive:
            return archive.read(f"{LAYOUT}/{name}").decode()

    def table(self, name: str) -> pd.DataFrame:
        with zipfile.ZipFile(self.made.archive) as archive, archive.open(f"{LAYOUT}/{name}") as stream:
            return pd.read_csv(stream)

    @cached_property
    def ratings(self) -> pd.DataFrame:
        return self.table("ratings.csv")

    @cached_property
    def documents(self) -> list[dict]:
        return [json.loads(line) for line in gzip.decompress(self.made.documents.read_bytes()).splitlines()]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data(synth("tiny", 0, tmp_path_factory.mktemp("synth")))


@pytest.fixture(scope="session")
def ml_100k(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data(synth("ml-100k", 0, tmp_path_factory.mktemp("synth")))


@pytest.fixture(scope="session", params=["tiny", "ml_100k"])
def data(request: pytest.FixtureRequest) -> Data:
    """Each of the small presets."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def decades(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """100,000 ratings over the 28 years of ml-32m: long enough for taste to move."""
    preset = replace(
        presets.PRESETS["tiny"], name="decades", ratings=100_000, users=700, films=1_600, rated_films=1_550
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, preset.name, preset)
        return Data(synth(preset.name, 1, tmp_path_factory.mktemp("synth")))
