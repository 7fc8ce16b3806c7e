"""What runs in the sandbox's namespaces before and beside the image's program. Standard library only."""
