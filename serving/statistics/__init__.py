"""How two distributions of a feature are compared, and from where on they differ."""
