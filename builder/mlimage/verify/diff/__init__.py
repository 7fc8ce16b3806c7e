"""How two images differ, from packages down to the first byte."""
