"""What was served, measured and logged from aside."""
