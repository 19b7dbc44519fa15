"""The `cinefeast` command."""
