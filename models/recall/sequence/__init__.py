"""A causal Transformer over the whole history."""
