"""API keys, by what they may do: those of the environment, and those of a file that is looked at before each use."""

import hmac
import logging
import threading
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dbt_project.errors import CineFeastError
from serving.config import SHORTEST, keys, settings

log = logging.getLogger("cinefeast.keys")

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")
"""What a key may do: have answers about users, send events, change films. Each may what those before it may."""
Key = Annotated[str, Field(min_length=SHORTEST)]


class KeyFile(BaseModel):
    """The file of $CINEFEAST_KEYS_FILE."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    read: list[Key] = []
    write: list[Key] = []
    admin: list[Key] = []


class KeyRing:
    """The keys in force. Thread-safe.

    CineFeastError where the file cannot be used at the start. Later it is logged, and the last good keys stay.
    """

    def __init__(self) -> None:
        given = settings()
        self._fixed = {
            "read": keys(given.read_keys), "write": keys(given.write_keys), "admin": keys(given.admin_keys),
        }  # fmt: skip
        self._path = given.keys_file
        self._lock = threading.Lock()
        self._is_open = True
        self._stamp = self._stamp_now()
        self._take(read(self._path) if self._path else KeyFile())

    @property
    def is_open(self) -> bool:
        """Whether answers about users need no key: no read key was ever set. A file that lost its own opens nothing."""
        self._look()
        return self._is_open

    def may(self, scope: Scope, given: str | None) -> bool:
        """Whether what was sent is a key that may do this."""
        self._look()
        sent = (given or "").encode("utf-8", "replace")
        # every key is compared, in constant time: how long it takes tells nothing
        return bool(sum(hmac.compare_digest(sent, key) for key in self._may[scope]))

    def _look(self) -> None:
        """Read the file again if it is another one."""
        stamp = self._stamp_now()
        if self._path is None or stamp == self._stamp:
            return
        with self._lock:
            self._stamp = stamp
            try:
                self._take(read(self._path))
            except CineFeastError as error:
                log.error("keys refused, the last good ones stay: %s", error)
            else:
                log.warning("keys are those of %s now", self._path)

    def _take(self, file: KeyFile) -> None:
        own = {scope: [*self._fixed[scope], *(key.encode() for key in getattr(file, scope))] for scope in SCOPES}
        self._is_open = self._is_open and not own["read"]
        self._may = {
            scope: [key for above in SCOPES[place:] for key in own[above]] for place, scope in enumerate(SCOPES)
        }

    def _stamp_now(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None


def read(path: Path) -> KeyFile:
    """The keys of a file; CineFeastError, which shows none of them, where it cannot be used."""
    lists = f"lists of keys of {SHORTEST} characters or more: read = [...], write = [...], admin = [...]"
    try:
        return KeyFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CineFeastError(f"the keys of {path} cannot be read: {error.strerror}", f"write {lists}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):  # the message of which may show a line of it
        raise CineFeastError(f"the keys of {path} cannot be read: it is no TOML", f"write {lists}") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        raise CineFeastError(f"the keys of {path}: {wrong}", f"write {lists}") from None
