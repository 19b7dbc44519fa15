"""Rankers that networks have to beat."""
