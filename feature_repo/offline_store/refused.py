"""What Feast's interface has and this store refuses, each with its reason: docs/features.md has the same list."""

from typing import Any, NoReturn

from dbt_project.errors import CineFeastError

REASONS = {
    "to_sql": (
        "a result is made by several statements, one after the other",
        "to_parquet(path), to_arrow() or to_df()",
    ),
    "to_remote_storage": ("results are files of this machine", "to_parquet(path)"),
    "timeout": ("a query is not cut off; memory_limit of feature_store.yaml bounds it", "leave timeout out"),
    "entities=[]": ("every row of a mart is of a user, a film or both", "give the view its entity"),
    "feast monitor": ("how features are distributed is watched where they are served", "cinefeast doctor"),
}
"""What is refused: why, and what to do instead."""


class NotSupportedError(CineFeastError, NotImplementedError):
    """A call that the store does not have; Feast's own code knows it as NotImplementedError."""


def refuse(what: str) -> NoReturn:
    """Raise NotSupportedError with the reason."""
    reason, instead = REASONS[what]
    raise NotSupportedError(f"{what} is not supported: {reason}", instead)


class NoMonitoring:
    """The part of an offline store that would keep Feast's statistics; Feast asks for the tables first."""

    @staticmethod
    def ensure_monitoring_tables(config: Any) -> None:
        """Refused."""
        refuse("feast monitor")
