"""The docker engine: BuildKit runs the rendered Dockerfile, and what comes out is cut and sealed as ever."""
