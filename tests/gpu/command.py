"""`clipn` as a module, which `torchrun` can start where no script is installed."""

from clipn.cli.main import main

main()
