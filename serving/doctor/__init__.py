"""`cinefeast doctor`: is this workspace whole, fresh, and serving what its models learned from? Writes nothing."""
