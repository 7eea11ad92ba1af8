"""``python -m gradbench``."""

import sys

from gradbench.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
