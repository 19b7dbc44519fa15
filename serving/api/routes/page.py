"""The page at `/`: a user or a visitor, what they have seen, what is recommended and why, what a rule would change."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Query
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dbt_project.event_contract import LARGEST_ID
from serving.api.auth import may_see
from serving.api.problems import status_of
from serving.config import settings
from serving.errors import NoKeyError, ServingError
from serving.pipeline.catalogue import title_of
from serving.pipeline.recommender import POPULAR, Recommender
from serving.runtime.service import Service
from serving.schemas.requests import CandidatesQuery, ListQuery, PreviewQuery, Stars
from serving.schemas.responses import Answer

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
RULES = {
    "": "as they are",
    "diverse": "more diverse",
    "director": "one film of a director",
    "genre": "two films of a genre",
    "old": "films of before 1980 first",
}
CHANGES: dict[str, dict[str, Any]] = {
    "diverse": {"diversity": 0.6},
    "director": {"caps": {"director": 1}},
    "genre": {"caps": {"genre": 2}},
    "old": {"boosts": [{"year_to": 1979, "add": 0.5}]},
}
SHOWN, SEEN, TO_RATE = 12, 10, 12
IMAGES = "https://image.tmdb.org"
"""TMDb's server of posters; only where they are wanted a browser asks it for anything."""
POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Rated = Annotated[list[str], Query(max_length=50)]
Number = Annotated[int, Query(ge=0, le=LARGEST_ID)]


def add_page(app: FastAPI, service: Service) -> None:
    """/ and its style."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    template = environment.get_template("page.html")
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    has_posters = settings().posters
    headers = HEADERS | {"Content-Security-Policy": f"{POLICY}; img-src {IMAGES}"} if has_posters else HEADERS

    def poster(movie_id: int) -> str | None:
        path = service.recommender.films.get(movie_id).get("movie_poster_path") if has_posters else None
        return f"{IMAGES}/t/p/w185{path}" if path else None

    @app.get("/page.css", include_in_schema=False)
    async def css() -> Response:
        return Response(style, media_type="text/css", headers=HEADERS)

    @app.get("/", include_in_schema=False)
    def page(
        user: str = "",
        rated: Rated = [],  # noqa: B006
        similar: Number | None = None,
        rule: str = "",
        *,
        is_allowed: Annotated[bool, Depends(may_see)],
    ) -> HTMLResponse:
        rated = [one for one in rated if one]
        number = int(user) if user.isdecimal() and len(user) < 19 else None
        shown: dict[str, Any] = {
            "user": number,
            "rated": rated,
            "rule": rule if rule in CHANGES else "",
            "rules": RULES,
        }
        sent = headers
        try:
            if not is_allowed:
                raise NoKeyError("this page needs a key that may read, as the password of any login")
            shown |= content(service.recommender, number, rated, similar, shown["rule"])
            status = 200
        except ServingError as error:
            shown |= EMPTY | {"problem": error.detail}
            status = status_of(error)
            if not is_allowed:
                sent = headers | {"WWW-Authenticate": 'Basic realm="CineFeast", charset="UTF-8"'}

        def link(**more: object) -> str:
            given = {"user": number, "rule": shown["rule"]} if number is not None else {"rule": shown["rule"]}
            return "/?" + urlencode([*({**given, **more}).items(), *(("rated", one) for one in rated)])

        return HTMLResponse(template.render(**shown, link=link, poster=poster), status, sent)


EMPTY: dict[str, Any] = {
    "problem": None, "answer": None, "changed": None, "moves": None, "history": [], "similar": None,
    "similar_to": None, "to_rate": [],
}  # fmt: skip


def content(
    recommender: Recommender, user: int | None, rated: list[str], similar: int | None, rule: str
) -> dict[str, Any]:
    """What the page shows of a user, or of a visitor's ratings."""
    found = dict(EMPTY)
    popular = recommender.chart(POPULAR, None, ListQuery(n=TO_RATE))
    found["to_rate"] = [(item.movie_id, item.title or f"film {item.movie_id}") for item in popular.items]
    stars = [given for one in rated if (given := rating(one))]

    def answer(asked: CandidatesQuery) -> Answer:
        return recommender.visitor(stars, asked) if user is None else recommender.answer(user, asked)

    if user is not None or stars:
        found["answer"] = answer(CandidatesQuery(n=SHOWN, explain=True))
        found["history"] = history(recommender, user, stars)
        if rule:
            found["changed"] = answer(PreviewQuery(n=SHOWN, explain=True).trying(CHANGES[rule]))
            found["moves"] = moves(found["answer"], found["changed"])
    if similar is not None:
        found["similar"] = recommender.similar(similar, user, ListQuery(n=SHOWN, explain=True))
        found["similar_to"] = title_of(recommender.films.get(similar)) or f"film {similar}"
    return found


def rating(given: str) -> Stars | None:
    """A visitor's "film:stars"; None for what is none."""
    movie, _, stars = given[:30].partition(":")
    if not (movie.isdecimal() and stars.isdecimal() and 1 <= int(stars) <= 5 and int(movie) <= LARGEST_ID):
        return None
    return Stars(movie_id=int(movie), rating=float(stars))


def history(recommender: Recommender, user: int | None, stars: list[Stars]) -> list[tuple[str, float]]:
    """The last films with their ratings, the latest first."""
    pairs = [(one.movie_id, one.rating) for one in stars]
    if user is not None:
        row = recommender.contexts.user(user).row
        pairs = list(
            zip(*(row[name][0].as_py() or [] for name in ("user_seen_movie_ids", "user_seen_ratings")), strict=True)
        )
    film = recommender.films.get
    return [(title_of(film(movie)) or f"film {movie}", stars) for movie, stars in reversed(pairs[-SEEN:])]


def moves(before: Answer, after: Answer) -> dict[int, str]:
    """How far each film moved."""
    was = {item.movie_id: item.rank for item in before.items}
    return {
        item.movie_id: "new" if item.movie_id not in was else moved(was[item.movie_id] - item.rank)
        for item in after.items
    }


def moved(places: int) -> str:
    """A move as text."""
    return "" if not places else f"up {places}" if places > 0 else f"down {-places}"
