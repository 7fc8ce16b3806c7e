"""The OCI side: tar writer, layers, config, manifest, archives and the local store."""
