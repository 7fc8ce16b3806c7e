"""Whether an image computes on this machine what it computed where it was frozen: `mlimage verify`."""
