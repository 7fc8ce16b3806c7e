"""What the entry point starts besides roles and commands: a module per word, whose `main` gives a status."""
