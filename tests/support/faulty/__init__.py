"""Handwritten digits again, in more steps: into each of them faults can be put."""
