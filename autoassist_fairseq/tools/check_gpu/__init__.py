"""What only a GPU can show: rows of checks, most telling first, within given minutes."""
