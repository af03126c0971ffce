"""Wheels for another Python on a machine without network; standard library only."""
