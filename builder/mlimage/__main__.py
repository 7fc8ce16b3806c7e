"""`python -m mlimage` is `mlimage`."""

from mlimage.cli import main

if __name__ == "__main__":
    main()
