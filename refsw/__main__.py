"""`python -m refsw`, the same as the command `refsw`."""

from refsw.cli.main import main

if __name__ == "__main__":
    main()
