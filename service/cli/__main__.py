"""`python -m saga_coordinator.service.cli`: the command line where the script `saga` is not on the path."""

from saga_coordinator.service.cli.main import main

main()
