"""Online features in, recommendations out: HTTP, reports, the demo and the `cinefeast` command."""

# Before Feast, which on import makes its metrics files that all metrics of a process would share from then on.
import prometheus_client as prometheus_client
