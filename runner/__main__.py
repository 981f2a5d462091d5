"""`python -m runner`: the command, where its script is not on PATH."""

from runner.start import main

if __name__ == "__main__":
    main()
