"""What is no translation: surprise beyond what the target alone makes expected."""
