"""gradbench: is an update of PyTorch parameters right, how fast is it, and which one to use."""

from gradbench.comparison.api import compare
from gradbench.cost.api import predict
from gradbench.report.publish import report
from gradbench.results.load import load

__version__ = "0.1.0"
__all__ = ["__version__", "compare", "load", "predict", "report"]
