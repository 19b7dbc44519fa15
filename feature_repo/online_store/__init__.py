"""Feast's SQLite and Redis online stores, with one rule for both: a row is replaced unless it is newer."""
