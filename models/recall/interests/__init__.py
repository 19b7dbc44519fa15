"""MIND: several interests of a user."""
