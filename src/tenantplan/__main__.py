"""`python -m tenantplan`."""

from tenantplan.cli.main import main

main()
