"""What a request costs of its client's limit: about the milliseconds that it keeps one core busy."""

import re

COSTS = {
    "/": 40,
    "/v1/users/{user_id}/recommendations": 15,
    "/v1/recommendations": 15,
    "/v1/users/{user_id}/rerank": 10,
    "/v1/films/{movie_id}/similar": 8,
    "/v1/popular": 8,
    "/v1/trending": 8,
    "/v1/users/{user_id}/features": 4,
    "/v1/films/{movie_id}": 3,
    "/v1/films/{movie_id}/retire": 10,
    "/v1/events": 10,
    "/v1/events/bulk": 10,
}
"""By route, as OpenAPI writes it. Events of a bulk count beside, one by one, as writes of the key that sends them."""
UNKNOWN = 1
"""Of a path that there is not."""

ROUTES = [(re.compile(re.sub(r"{\w+}", "[^/]+", route)), cost) for route, cost in COSTS.items()]


def cost_of(path: str) -> int:
    """The cost of a request for this path."""
    return next((cost for route, cost in ROUTES if route.fullmatch(path)), UNKNOWN)
