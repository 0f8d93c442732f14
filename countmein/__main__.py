"""`python -m countmein`: the same as the `countmein` command."""

import sys

from countmein.cli import main

sys.exit(main())
