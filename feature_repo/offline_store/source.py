"""Feast data sources over tables of the dbt-built DuckDB warehouse."""

import json
from collections.abc import Callable, Iterable
from string import Formatter
from typing import Any, Self

from feast import ValueType
from feast.data_source import DataSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.repo_config import RepoConfig
from feast.type_map import pa_to_feast_value_type

from dbt_project.errors import CineFeastError
from feature_repo.offline_store.sql import columns, quoted, quoted_table
from feature_repo.offline_store.warehouse import open_warehouse

CREATED, LATE_FROM, KNOWN_AT = "created_at", "late_from", "known_at"
"""What a table of versions has beside the columns of its table, and the column of a table of arrivals."""


class WarehouseSource(DataSource):
    """A table of the warehouse with a row for each key and moment from which its values may be known."""

    def __init__(
        self,
        *,
        name: str,
        table: str,
        computed: dict[str, str] | None = None,
        only: list[str] | None = None,
        versions: str = "",
        created: str = "",
        timestamp_field: str = "event_timestamp",
        created_timestamp_column: str = "",
        description: str = "",
        tags: dict[str, str] | None = None,
        owner: str = "cinefeast",
    ) -> None:
        """`table` is `schema.table`. Of rows with the same key and timestamp the last created one counts.

        `computed` maps features that the table does not hold to the SQL that makes them of its columns, each column
        in braces: a call of one of dbt's functions. It is computed for the rows that are asked for, and for no others.
        `only`: the columns that belong to the source, and so to what is pushed to it; all of them if None.
        `versions` is a table of the rows as they were known, in the place of those stamped after `late_from`: each
        counts from its `created_at` on, until the key's next. `created` is a column that tells when a row was known,
        like Feast's `created_timestamp_column`, but does not go online. Both are read where it is asked for what was
        known, and nowhere else.
        """
        super().__init__(
            name=name,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            description=description,
            tags=tags,
            owner=owner,
        )
        self.table = table
        self.computed = computed or {}
        self.only = only
        self.versions = versions
        self.created = created or created_timestamp_column

    def options(self) -> dict[str, Any]:
        """What the registry keeps of this source beside Feast's own fields."""
        return {name: getattr(self, name) for name in ("table", "computed", "only", "versions", "created")}

    def columns_of(self, feature: str) -> list[str]:
        """The table's columns that a feature is made of."""
        template = self.computed.get(feature)
        return [feature] if template is None else sorted({name for _, name, *_ in Formatter().parse(template) if name})

    def feature_sql(self, feature: str, column: Callable[[str], str], history: str = "") -> str:
        """The SQL of a feature, given that of the table's columns and the alias of the history, if it has one."""
        if feature not in self.computed:
            return column(feature)
        return self.computed[feature].format(**{name: column(name) for name in self.columns_of(feature)})

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and super().__eq__(other) and self.options() == other.options()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return super().__hash__()

    def source_type(self) -> Any:
        """Feast's mark of a source that it does not know itself."""
        return DataSourceProto.CUSTOM_SOURCE

    @classmethod
    def from_proto(cls, data_source: DataSourceProto) -> Self:
        """Read a source back from the registry; CineFeastError where it was written by a newer version of this code."""
        try:
            return cls(
                name=data_source.name,
                timestamp_field=data_source.timestamp_field,
                created_timestamp_column=data_source.created_timestamp_column,
                description=data_source.description,
                tags=dict(data_source.tags),
                owner=data_source.owner,
                **json.loads(data_source.custom_options.configuration),
            )
        except TypeError as error:  # a field that the constructor lacks
            raise CineFeastError(
                f"the registry's source {data_source.name} is not one this code knows: {error}",
                "update the code, or cd feature_repo && feast apply",
            ) from error

    def _to_proto_impl(self) -> DataSourceProto:
        return DataSourceProto(
            name=self.name,
            type=DataSourceProto.CUSTOM_SOURCE,
            data_source_class_type=f"{type(self).__module__}.{type(self).__name__}",
            timestamp_field=self.timestamp_field,
            created_timestamp_column=self.created_timestamp_column,
            description=self.description,
            tags=self.tags,
            owner=self.owner,
            custom_options=DataSourceProto.CustomSourceOptions(
                configuration=json.dumps(self.options(), sort_keys=True).encode()
            ),
        )

    def validate(self, config: RepoConfig) -> None:
        """Nothing to check before the warehouse is built: `feast apply` may come first."""

    def get_table_query_string(self) -> str:
        """The table as SQL names it."""
        return quoted_table(self.table)

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[tuple[str, str]]:
        """Column names and Arrow types."""
        with open_warehouse(config.offline_store.warehouse) as connection:
            wanted = columns(self.only) if self.only else "*"
            schema = (
                connection.sql(f"select {wanted} from {self.get_table_query_string()} limit 0").to_arrow_table().schema
            )
        return [(field.name, str(field.type)) for field in schema]

    @staticmethod
    def source_datatype_to_feast_value_type() -> Callable[[str], ValueType]:
        """How an Arrow type reads in Feast."""
        return pa_to_feast_value_type


class WindowSource(WarehouseSource):
    """The last events of each user before a moment, sliced out of one array a user.

    The column `position` of `table` tells how much of the arrays of `history` was there at each key and moment, one
    column for all features or one each; `history` has one row a key, and `columns` maps feature names to its arrays:
    the other features are columns of `table`. `window` is how many events a feature holds, None for all of them.
    Storing the arrays once and slicing them is what makes windows affordable: an array an event is not. `arrivals` has,
    of the keys with versions, when each element of the arrays was known.
    """

    def __init__(
        self,
        *,
        history: str,
        columns: dict[str, str],
        window: int | None,
        position: str | dict[str, str] = "position",
        arrivals: str = "",
        **fields: Any,
    ) -> None:
        super().__init__(**fields)
        self.history = history
        self.columns = columns
        self.window = window
        self.position = position
        self.arrivals = arrivals

    def options(self) -> dict[str, Any]:
        """As WarehouseSource.options, with the arrays, the window and the position."""
        own = {name: getattr(self, name) for name in ("history", "columns", "window", "position", "arrivals")}
        return {**super().options(), **own}

    def columns_of(self, feature: str) -> list[str]:
        """See WarehouseSource: of a window the column that tells its end."""
        if feature not in self.columns:
            return super().columns_of(feature)
        return [self.position if isinstance(self.position, str) else self.position[feature]]

    def feature_sql(self, feature: str, column: Callable[[str], str], history: str = "") -> str:
        """See WarehouseSource. A window is null where its position is."""
        if feature not in self.columns:
            return super().feature_sql(feature, column)
        return self._last(f"{history}.{quoted(self.columns[feature])}", column(self.columns_of(feature)[0]))

    def known_sql(self, feature: str, column: Callable[[str], str], history: str, arrivals: str, created: str) -> str:
        """As `feature_sql`, of what had arrived when a version was created; `created` is null of a row that is none."""
        now = self.feature_sql(feature, column, history)
        if feature not in self.columns:
            return now
        whole = f"{history}.{quoted(self.columns[feature])}"
        arrived = f"list_filter({whole}, lambda event, place: {arrivals}.{KNOWN_AT}[place] < {created})"
        known = self._last(arrived, column(self.columns_of(feature)[0]))
        return f"case when {created} is null then {now} else {known} end"

    def _last(self, events: str, position: str) -> str:
        first = "1" if self.window is None else f"greatest({position} - {self.window - 1}, 1)"
        return f"({events})[{first}:{position}]"
