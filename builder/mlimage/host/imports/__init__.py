"""Whether what an image's spec depends on can be imported in it, and why not."""
