"""The comparison runner: arms under one budget, several seeds, one table."""
