"""Closed-form and alternating least squares models of who rated what."""
