"""A Feast offline store over the dbt-built DuckDB file: exact point-in-time joins by ASOF."""
