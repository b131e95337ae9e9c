"""`python -m hyperzoo`: the command line where its own name is not on the path."""

from hyperzoo.cli import main

main()
