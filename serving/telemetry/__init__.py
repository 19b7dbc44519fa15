"""Metrics, logs, and the time that each stage of an answer may take."""
