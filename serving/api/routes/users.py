"""What is known of a user."""

import time
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, Path

from dbt_project.event_contract import LARGEST_ID
from serving.api.auth import may_read
from serving.api.problems import responses
from serving.errors import NotFoundError
from serving.pipeline.user_context import UserContext
from serving.runtime.service import Service
from serving.schemas.responses import UserFeatures


def add_users(app: FastAPI, service: Service) -> None:
    """/v1/users/{user_id}/features."""

    @app.get(
        "/v1/users/{user_id}/features",
        tags=["users"],
        summary="A user's features as the models see them",
        responses=responses(401, 404, 429, 503),
        dependencies=[Depends(may_read)],
    )
    def features(user_id: Annotated[int, Path(ge=0, le=LARGEST_ID, examples=[196])]) -> UserFeatures:
        """Read now, never from a cache. They are about a person, so a key is needed."""
        context = UserContext(user_id, service.recommender.features.users([user_id]))
        last = context.last_event
        if last is None:
            raise NotFoundError(f"user {user_id} has no features online")
        row = context.row.drop_columns(["user_id"]).to_pylist()[0]
        return UserFeatures(
            user_id=user_id,
            version=context.version,
            last_event_at=datetime.fromtimestamp(last, UTC),
            age_seconds=max(0, int(time.time()) - last),
            features=row,
        )
