"""What a run found out about every pair, and how true it was."""
