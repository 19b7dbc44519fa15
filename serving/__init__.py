"""Online features in, recommendations out: HTTP, reports, the demo and the `cinefeast` command."""
