"""What a pair looks like: its tokens, its words, its features."""
