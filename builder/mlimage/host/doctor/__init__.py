"""What of this machine changes whether an image runs, how fast, and with which numbers."""
