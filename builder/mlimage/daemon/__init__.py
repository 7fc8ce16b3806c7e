"""The container engine of this machine: what it is, what it can, and how a sealed image gets into it."""
