"""Online features in, recommendations out: HTTP, reports, the demo and the `cinefeast` command."""

import os

# Feast names a folder on import that all metrics of a process, and of those that it starts, would share from then on.
# Workers share theirs by serving.telemetry.metrics, so this comes before Feast, and what was inherited does not count.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
import prometheus_client as prometheus_client
