"""``python -m openmax_core``: the same as ``openmax``."""

import sys

from openmax_core.cli.main import main

sys.exit(main())
