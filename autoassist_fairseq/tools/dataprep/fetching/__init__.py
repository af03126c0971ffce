"""Published corpora: what they are made of, fetching it, checking it, unpacking it."""
