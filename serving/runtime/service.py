"""What the routes share: the recommender once it is warm, events and metrics."""

import gc
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbt_project.workspace import workspace
from serving.errors import NotReadyError
from serving.schemas.health import Served, WorkerState
from serving.schemas.requests import CandidatesQuery
from serving.telemetry.deadlines import Stages
from serving.telemetry.metrics import Metrics
from serving.telemetry.places import without_places

if TYPE_CHECKING:
    from serving.events.writer import EventLog
    from serving.monitoring.recorder import Recorder
    from serving.pipeline.recommender import Recommender
    from serving.runtime.reloader import Watcher


class Service:
    """One app's state."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.stages = Stages(self.metrics)
        self.failure: Exception | None = None
        """Why the warm-up failed."""
        self._recommender: Recommender | None = None
        self._events: EventLog | None = None
        self._served: Recorder | None = None
        self._watcher: Watcher | None = None

    @property
    def recommender(self) -> "Recommender":
        """The warm recommender; NotReadyError before."""
        if self._recommender is None:
            raise NotReadyError("warming up")
        return self._recommender

    @property
    def events(self) -> "EventLog":
        """Where events go; NotReadyError before the warm-up."""
        if self._events is None:
            raise NotReadyError("warming up")
        return self._events

    def warm_up(self, load: Callable[[Stages], "Recommender"]) -> None:
        """Load everything and answer once, so that the first request finds nothing cold; then watch for what is new."""
        from serving.events.writer import EventLog
        from serving.monitoring.recorder import Recorder
        from serving.runtime.reloader import Watcher

        space = workspace()
        self._watcher = Watcher(space, lambda: load(self.stages), self.use)
        recommender = load(self.stages)
        known = recommender.known_users()["user_id"].to_pylist()
        recommender.answer(known[0] if known else 0, CandidatesQuery(explain=True))
        self._events = EventLog(recommender.features.store, space, self.metrics)
        self._served = Recorder(self.metrics)
        self.use(recommender)
        self._watcher.start()

    def use(self, recommender: "Recommender") -> None:
        """Answer with this one from now on; requests that have begun end with the one before."""
        # What is loaded lives long: keep the collector from walking it during requests.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self.metrics.serving(recommender.version, recommender.catalogue.version, recommender.catalogue.table.num_rows)
        if self._served:
            self._served.use(recommender)
        if self._events:
            self._events.use(recommender.features.store)
        self._recommender = recommender

    def state(self) -> WorkerState:
        """What this worker tells of itself now."""
        recommender, served = self._recommender, None
        if recommender:
            served = Served(
                catalogue_version=recommender.catalogue.version,
                models_version=recommender.version,
                count_movies=recommender.catalogue.table.num_rows,
                refused=self._refused(),
            )
        return WorkerState(told_at=time.monotonic(), served=served)

    def _refused(self) -> str | None:
        """Why the artifacts that lie in the workspace are not the ones that are served."""
        refused = self._watcher.refused if self._watcher else None
        return without_places(refused) if refused else None

    def close(self) -> None:
        """Write the events that wait, and look at the last answers."""
        if self._watcher:
            self._watcher.stop()
        if self._events:
            self._events.close()
        if self._served:
            self._served.close()
        self.stages.close()
