"""`cinefeast bench features`: what the feature store costs, beside hand-written SQL and beside stock Feast."""
