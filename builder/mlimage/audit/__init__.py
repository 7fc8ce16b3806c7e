"""What is known to be vulnerable of what a lock names."""
