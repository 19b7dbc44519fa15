"""LightGCN over users, films and people."""
