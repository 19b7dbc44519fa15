"""What training, search, ranking and samples cost on this machine."""
