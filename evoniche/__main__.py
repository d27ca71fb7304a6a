"""`python -m evoniche` is the command `evoniche`."""

from evoniche.commands import main

if __name__ == "__main__":
    main()
