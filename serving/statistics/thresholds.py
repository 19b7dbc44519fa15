"""Every threshold of `cinefeast doctor`, in one place; docs/doctor.md explains them, and a test holds the two equal."""

SAMPLE = 5_000
"""Users, films, or users with their last film that a feature is judged by."""
SEED = 0
"""Chooses which ones; the same each time."""

MEMORY = "1GB"
"""What DuckDB may hold for one of its queries; the rest spills beside the warehouse."""

BINS = 10
"""Quantile bins of a number in the training window, or categories; nulls have a bin of their own."""
WATCH, DRIFTED = 0.1, 0.25
"""PSI above which a feature has shifted moderately and significantly (Siddiqi 2006; Yurdakul and Naranjo 2020)."""
CHANCE = 0.001
"""A PSI that samples of one distribution exceed this often or more is no drift, however large it looks."""
IDENTIFIER = 0.95
"""An integer or a text with at least this share of distinct values names its row and has no distribution."""

NULL_JUMP = 0.25
"""Share of nulls online above that of training from which a feature counts as lost."""
DIFFERS = 0.01
"""Share of values online that are not the warehouse's from which the online store counts as wrong."""

REJECTED_WARN, REJECTED_WRONG = 0.01, 0.1
"""Share of a landed table's rows that dbt rejected."""

REPLAYED_DAYS = 7
"""Days after which a replay is old, if features were logged since."""

BYTES_PER_RATING = 150
"""Size of the warehouse a rating, where no build tells it yet."""
