"""The rules in force: a TOML file, read again when it changes."""

import logging
import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from serving.config import settings
from serving.rules.models import Rules, RuleSettings

log = logging.getLogger("cinefeast.rules")


class RuleBook:
    """The rules in force, with each variant's settings worked out. Immutable."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.settings: Mapping[str, RuleSettings] = MappingProxyType({name: rules.of(name) for name in rules.variants})


class RuleFile:
    """$CINEFEAST_RULES, or rules.toml in the workspace. Thread-safe.

    It is looked at before each answer. One that cannot be used is refused: it is logged, and what was in force stays.
    """

    def __init__(self, space: Workspace) -> None:
        self.path = settings().rules or space.root / "rules.toml"
        self._lock = threading.Lock()
        self._stamp = self._stamp_now()
        self._book = RuleBook(read(self.path))
        self.refused: str | None = None
        """Why the file as it is now is not in force."""

    def now(self) -> RuleBook:
        """The rules in force."""
        stamp = self._stamp_now()
        if stamp != self._stamp:
            with self._lock:
                if stamp != self._stamp:
                    self._reload()
                    self._stamp = stamp
        return self._book

    def _reload(self) -> None:
        try:
            self._book, self.refused = RuleBook(read(self.path)), None
        except CineFeastError as error:
            self.refused = error.what
            log.error("rules refused, the last good ones stay: %s", error)

    def _stamp_now(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def read(path: Path) -> Rules:
    """The rules in a file, those without any where there is none; CineFeastError naming what is wrong."""
    try:
        return Rules.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Rules()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CineFeastError(f"{path} cannot be read: {error}", "docs/serving.md has an example") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        raise CineFeastError(f"{path}: {wrong}", "docs/serving.md has every setting") from None
