"""What the Boss has learned by now: the Assistant's model, the threshold, the confidence."""
