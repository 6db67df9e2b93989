"""``python -m unetscope.cli``, for where no script is installed."""

import sys

from unetscope.cli import main

sys.exit(main())
