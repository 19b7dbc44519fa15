"""Who and what features describe."""

from feast import Entity, ValueType

user = Entity(
    name="user",
    join_keys=["user_id"],
    value_type=ValueType.INT64,
    description="Someone who rates films; MovieLens' userId.",
    owner="cinefeast",
)
movie = Entity(
    name="movie",
    join_keys=["movie_id"],
    value_type=ValueType.INT64,
    description="A film; MovieLens' movieId.",
    owner="cinefeast",
)
