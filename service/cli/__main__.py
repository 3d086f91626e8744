"""`python -m service.cli`: the command line where the script `saga` is not on the path."""

from service.cli.main import main

main()
