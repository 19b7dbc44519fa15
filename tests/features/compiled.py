"""The SQL that dbt compiled, run on ratings of a test's own: a warehouse in a second instead of a dbt run."""

import json
from collections.abc import Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from tests.fixtures import Rating

RATINGS = "stg_movielens__ratings"
Pushed: TypeAlias = tuple[Rating, int]
"""A rating, and when it was landed, in microseconds since 1970."""


class CompiledProject:
    """The models that the feature marts need, in order, as `dbt build` compiled them for a full build."""

    def __init__(self, workspace: Path) -> None:
        manifest = json.loads((workspace / "dbt_target" / "manifest.json").read_text())
        nodes = {id_: node for id_, node in manifest["nodes"].items() if node["resource_type"] in ("model", "seed")}
        needed = {id_ for id_, node in nodes.items() if node["schema"] in ("features", "training")}
        waiting = list(needed)
        while waiting:
            for parent in nodes[waiting.pop()]["depends_on"].get("nodes", ()):
                if parent in nodes and parent not in needed:
                    needed.add(parent)
                    waiting.append(parent)
        graph = {id_: [p for p in nodes[id_]["depends_on"].get("nodes", ()) if p in needed] for id_ in needed}
        order = [nodes[id_] for id_ in TopologicalSorter(graph).static_order()]
        self.built = workspace / "warehouse" / "cinefeast.duckdb"
        touched = self._below_ratings(order, graph, nodes)
        self.fixed = [node for node in order if node["name"] not in touched]
        self.rerun = [node for node in order if node["name"] in touched and node["name"] != RATINGS]
        self.functions = [
            f"create function {node['schema']}.{node['name']}({', '.join(part['name'] for part in node['arguments'])}) "
            f"as ({node['compiled_code']})"
            for node in manifest["functions"].values()
        ]
        compiled = workspace / "dbt_target" / "compiled" / "cinefeast"
        self.sql = {
            node["name"]: (compiled / node["original_file_path"]).read_text()
            for node in order
            if node["resource_type"] == "model"
        }

    @staticmethod
    def _below_ratings(order: list[dict[str, Any]], graph: dict[str, list[str]], nodes: dict[str, Any]) -> set[str]:
        touched = {RATINGS}
        for node in order:
            if any(nodes[parent]["name"] in touched for parent in graph[node["unique_id"]]):
                touched.add(node["name"])
        return touched

    def build(self, path: Path, ratings: list[Rating], pushed: Sequence[Pushed] = ()) -> None:
        """Write the warehouse of an archive of these ratings and of pushed ones, in the order of their landing.

        Films are those of the built workspace.
        The file has to be called cinefeast.duckdb: compiled SQL names it.
        """
        rows = [(n, u, m, r, round(r * 2), at * 1_000_000) for n, (u, m, r, at) in enumerate(ratings, 1)]
        columns = dict(
            zip(
                ("rating_id", "user_id", "movie_id", "rating", "half_stars", "microsecond"),
                zip(*rows, strict=True),
                strict=True,
            )
        )
        landed = pa.table({name: list(values) for name, values in columns.items()})
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"attach '{self.built}' as built (read_only)")
            for schema in ("staging", "intermediate", "core", "features", "training", "seeds"):
                connection.execute(f"create schema {schema}")
            for function in self.functions:
                connection.execute(function)
            for node in self.fixed:
                name = f"{node['schema']}.{node['name']}"
                connection.execute(f"create table {name} as from built.{name}")
            for number, ((user, film, stars, at), landed_at) in enumerate(pushed, 1):
                connection.execute(
                    "insert into intermediate.int_event_ratings by name select ? as rating_id, ? as user_id, "
                    "? as movie_id, ? as rating, make_timestamp(?) as rated_at, 'pushed' as landed_file, "
                    "? as landed_row, make_timestamp(?) as landed_at",
                    [len(ratings) + number, user, film, stars, at * 1_000_000, number, landed_at],
                )
            connection.register("landed", landed)
            connection.execute(
                f"create table staging.{RATINGS} as select rating_id, user_id, movie_id, rating::float as rating, "
                "half_stars::integer as half_stars, make_timestamp(microsecond) as rated_at, '' as raw, "
                "null::varchar as malformed_line from landed"
            )
            for node in self.rerun:
                connection.execute(f"create table {node['schema']}.{node['name']} as {self.sql[node['name']]}")
            connection.execute("detach built")
