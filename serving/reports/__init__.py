"""Metrics and a look at the data, for people."""
