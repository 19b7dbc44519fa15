"""What `cinefeast embed` reads of the landed files before a build is what dbt reads of them."""

from pathlib import Path

import duckdb

from dbt_project.ingest.embeddings.reduction import training_films
from dbt_project.ingest.film_texts import film_texts
from dbt_project.workspace import Workspace
from feature_repo.feedback_events import FilmUpdate, land_films
from tests.conftest import Built

FILMS = """
    select movie_id, title, overview, movie_lead_cast_names, directors
    from core.dim_movies
    join features.feat_movie_profile using (movie_id)
    left join (
        select movie_id, list(person_name order by place) as directors
        from intermediate.int_movie_leads join core.dim_people using (person_id)
        where role = 'director' group by movie_id
    ) using (movie_id)
"""


def test_texts_have_the_titles_documents_and_people_of_the_warehouse(built_workspace: Built) -> None:
    texts = film_texts(Workspace(built_workspace.root))
    with duckdb.connect(str(built_workspace.warehouse), read_only=True) as connection:
        films = connection.sql(FILMS).fetchall()
    assert {film for film, *_ in films} == texts.keys()
    assert any(cast and directors for *_, cast, directors in films)
    for film, title, overview, cast, directors in films:
        first, *others = texts[film].split("\n")
        assert first == title
        people = [", ".join(dict.fromkeys(names)) for names in (directors, cast) if names]
        assert others[len(others) - len(people) :] == people
        assert not overview or " ".join(overview.split()) in others


def test_films_that_were_told_over_http_have_texts(untrained: Path) -> None:
    space = Workspace(untrained)
    before = film_texts(space)
    known = next(iter(before))
    land_films([FilmUpdate(88_888, "The Long Harvest", genre_names=("Sci-Fi",)), FilmUpdate(known, "Corrected")])
    land_films([FilmUpdate(88_888, "The Long Harvest", director_name="A. Field"), FilmUpdate(88_889, is_retired=True)])
    texts = film_texts(space)
    assert texts.pop(88_888) == "The Long Harvest\nSci-Fi\nA. Field"
    assert texts.pop(known).split("\n") == ["Corrected", *before.pop(known).split("\n")[1:]]
    assert texts == before


def test_films_of_training_are_those_of_the_training_labels(built_workspace: Built) -> None:
    with duckdb.connect(str(built_workspace.warehouse), read_only=True) as connection:
        labels = connection.sql("select distinct movie_id from training.training_labels where split_time = 'train'")
        expected = {film for (film,) in labels.fetchall()}
        known = {film for (film,) in connection.sql("select movie_id from core.dim_movies").fetchall()}
    assert training_films(Workspace(built_workspace.root)) & known == expected
