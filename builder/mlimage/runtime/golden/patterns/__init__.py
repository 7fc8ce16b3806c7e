"""What one would have to do to recorded numbers to get those that came out: it names the fault."""
