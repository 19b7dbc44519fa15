"""What answers cost on this machine."""
