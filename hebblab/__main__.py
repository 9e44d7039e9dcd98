"""`python -m hebblab` is the command `hebblab`."""

from hebblab.cli import main

if __name__ == "__main__":
    main()
