"""Films: what is known of one; added or changed, and retired."""

from typing import Annotated

from fastapi import Depends, FastAPI, Path

from dbt_project.event_contract import LARGEST_ID
from feature_repo.feedback_events import FilmUpdate, land_films
from serving.api.auth import may_administer
from serving.api.problems import responses
from serving.errors import NotFoundError
from serving.events.film_updates import write_profile
from serving.runtime.service import Service
from serving.schemas.events import FilmChange, FilmState
from serving.schemas.responses import FilmDetails

MovieId = Annotated[int, Path(ge=0, le=LARGEST_ID, examples=[50])]


def add_films(app: FastAPI, service: Service) -> None:
    """/v1/films/{movie_id} and /v1/films/{movie_id}/retire."""
    problems = responses(401, 404, 413, 429, 503)
    allowed = [Depends(may_administer)]

    @app.get("/v1/films/{movie_id}", tags=["films"], summary="A film", responses=responses(404, 429, 503))
    def film(movie_id: MovieId) -> FilmDetails:
        """As it is known now, whether or not a model was trained on it."""
        return service.recommender.film(movie_id)

    @app.put(
        "/v1/films/{movie_id}", tags=["films"], summary="Add or change a film", responses=problems,
        dependencies=allowed,
    )  # fmt: skip
    def upsert(movie_id: MovieId, film: FilmChange) -> FilmState:
        """Known to every worker at once; models bring it once they are trained on it. A retired film is shown again."""
        recommender = service.recommender
        update = FilmUpdate(
            movie_id=movie_id, **film.model_dump(exclude={"genre_names"}), genre_names=tuple(film.genre_names)
        )
        land_films([update])
        write_profile(recommender.features.store, update)
        return FilmState(movie_id=movie_id, is_retired=False)

    @app.post(
        "/v1/films/{movie_id}/retire", tags=["films"], summary="Never show a film again", responses=problems,
        dependencies=allowed,
    )  # fmt: skip
    def retire(movie_id: MovieId) -> FilmState:
        """No list of any worker has it from now on; what users did with it stays."""
        if movie_id not in service.recommender.films:
            raise NotFoundError(f"no film {movie_id}")
        land_films([FilmUpdate(movie_id, is_retired=True)])
        return FilmState(movie_id=movie_id, is_retired=True)
