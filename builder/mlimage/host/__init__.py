"""Where and how images run: Docker, the sandbox, limits."""
