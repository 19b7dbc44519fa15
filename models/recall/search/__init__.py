"""Vectors of films and their index."""
