"""What was used, by whom, for how much."""
