"""What can go wrong while something is served. HTTP's words for it are in serving/api/problems.py.

ServingError
    NotReadyError       the warm-up is not over
    StandsStillError    no worker answers any more
    OverloadedError     more waits than can be answered soon
    NotWrittenError     events could not be put on disk
    NotFoundError       no such thing
    ErasedError         of a user who was erased
    HostError           asked under a name that is not the server's
    InvalidError        a value that nothing can have
    NoKeyError          no key that may do this
    TooManyError        asked more often than allowed
    TooLargeError       more was sent than is taken
    TooSlowError        what was announced did not come in time
OnlineStoreError        the online store does not answer
"""

from typing import ClassVar

from dbt_project.errors import CineFeastError


class OnlineStoreError(CineFeastError):
    """The online store does not answer now; it may later."""


class ServingError(Exception):
    """Something that ends a request."""

    next_step: ClassVar[str | None] = None
    """What whoever asked can do."""
    retry_after: int | None = None
    """Seconds after which it may go well, where that is known."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotReadyError(ServingError):
    """A request came before the warm-up was over."""

    next_step, retry_after = "ask again when /health/ready is 200", 1


class StandsStillError(ServingError):
    """The event loops that answer have stopped turning."""

    next_step = "restart the server, if nothing does so by itself"


class OverloadedError(ServingError):
    """More requests wait than can be answered soon."""

    next_step, retry_after = "ask again after the seconds of Retry-After", 1


class NotWrittenError(ServingError):
    """Events that could not be put on disk, and so were not taken."""

    next_step, retry_after = "make room in the workspace, then send them again", 5


class NotFoundError(ServingError):
    """There is no such thing."""

    next_step = "see /docs for what can be asked"


class ErasedError(ServingError):
    """Something of a user who was erased: it is never taken again."""

    next_step = "leave this user out"


class HostError(ServingError):
    """A request under a name that is not the server's."""

    next_step = "ask as localhost on its machine, or let the server start with the name in CINEFEAST_ALLOWED_HOSTS"


class InvalidError(ServingError):
    """A value that nothing that is served has."""

    next_step = "see the values that the detail names"


class NoKeyError(ServingError):
    """A request without a key that is allowed to do this."""

    next_step = "send a key in the header X-API-Key; docs/serving.md says how to set one"


class TooManyError(ServingError):
    """A client that asks more often than it may."""

    next_step, retry_after = "ask again after the seconds of Retry-After", 1


class TooLargeError(ServingError):
    """A body above the limit."""

    next_step = "send fewer at a time"


class TooSlowError(ServingError):
    """A body that did not come in time."""

    next_step = "send it faster, or less at a time"
