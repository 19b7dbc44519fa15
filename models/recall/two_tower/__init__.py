"""A tower for users and one for films, with features of both."""
