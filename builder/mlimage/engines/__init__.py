"""`BuildPlan` to files to `SealedImage`: the direct engine, and later Docker."""
