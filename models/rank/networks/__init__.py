"""Rankers that are networks."""
