"""`BuildPlan` to Dockerfile. Pure; the only place that imports jinja2 to render one."""
