"""The recipes of the paper's runs: from options to the exact command."""
