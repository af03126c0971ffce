"""The demonstration: the same small Transformer trained with and without the Assistant."""
