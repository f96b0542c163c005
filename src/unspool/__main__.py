"""`python -m unspool`, and `torchrun … -m unspool`: the command line."""

from unspool.cli import main

if __name__ == "__main__":
    main()
