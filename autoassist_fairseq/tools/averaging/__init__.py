"""Averages checkpoints."""
