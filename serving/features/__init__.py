"""The door to the online store: rows of features, and users' vectors."""
