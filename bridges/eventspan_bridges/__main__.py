"""``python -m eventspan_bridges``: the command without its script."""

import sys

from eventspan_bridges.cli import main

sys.exit(main())
