"""`mlimage.yaml` to `ImageSpec`: models, places in the file, JSON Schema."""
