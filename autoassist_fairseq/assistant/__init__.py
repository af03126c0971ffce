"""The method: numbers in, numbers out. Imports NumPy and Numba only."""
