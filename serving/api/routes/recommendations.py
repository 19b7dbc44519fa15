"""Lists of films: for a user, for a visitor, near a film, popular, trending, given ones in order."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query

from dbt_project.event_contract import LARGEST_ID
from serving.api.auth import may_read_of_named, may_read_of_user
from serving.api.problems import responses
from serving.pipeline.recommender import POPULAR, TRENDING
from serving.runtime.service import Service
from serving.schemas.requests import CandidatesOf, ListForUser, QueryOf, RerankBody, VisitorBody
from serving.schemas.responses import Answer

UserId = Annotated[int, Path(ge=0, le=LARGEST_ID, examples=[196])]
MovieId = Annotated[int, Path(ge=0, le=LARGEST_ID, examples=[50])]
ForUserOf = Annotated[ListForUser, Query()]


def add_lists(app: FastAPI, service: Service) -> None:
    """Every route that answers with a list. Sync handlers: NumPy and Torch release the GIL while they work."""
    common: dict[str, Any] = {"tags": ["lists"], "response_model": Answer, "responses": responses(404, 429, 503)}
    told = responses(401, 404, 429, 503)
    of_user = common | {"responses": told, "dependencies": [Depends(may_read_of_user)]}
    of_named = common | {"responses": told, "dependencies": [Depends(may_read_of_named)]}

    @app.get("/v1/users/{user_id}/recommendations", summary="Films for a user", **of_user)
    def recommendations(user_id: UserId, query: CandidatesOf) -> Answer:
        """Best first. For a user of whom nothing is known the popular ones, and `reason` says so."""
        with service.metrics.stage("total"):
            return service.recommender.answer(user_id, query)

    @app.post("/v1/recommendations", summary="Films for a visitor without an account", **common)
    def visitor(body: VisitorBody, query: CandidatesOf) -> Answer:
        """Nothing of it is kept."""
        return service.recommender.visitor(body.ratings, query)

    @app.post("/v1/users/{user_id}/rerank", summary="Given films in a user's order", **of_user)
    def rerank(user_id: UserId, body: RerankBody, query: QueryOf) -> Answer:
        """Those that the user has seen or hidden, and those that no model knows, are left out."""
        return service.recommender.rerank(user_id, body.movie_ids, query)

    @app.get("/v1/films/{movie_id}/similar", summary="Films like a film", **of_named)
    def similar(movie_id: MovieId, query: ForUserOf) -> Answer:
        """Nearest first."""
        return service.recommender.similar(movie_id, query.user_id, query)

    @app.get("/v1/popular", summary="The films with most ratings", **of_named)
    def popular(query: ForUserOf) -> Answer:
        """Of all time, up to now."""
        return service.recommender.chart(POPULAR, query.user_id, query)

    @app.get("/v1/trending", summary="The films with most ratings lately", **of_named)
    def trending(query: ForUserOf) -> Answer:
        """In the 90 days up to the last rating of all; behind them films without any then, by those of all time."""
        return service.recommender.chart(TRENDING, query.user_id, query)
