"""gradbench: is an update of PyTorch parameters right, how fast is it, and which one to use."""

from gradbench.compare.api import compare
from gradbench.diagnosis.api import diagnose
from gradbench.predict.api import predict
from gradbench.report.publish import report
from gradbench.results.load import load
from gradbench.version import __version__

__all__ = ["__version__", "compare", "diagnose", "load", "predict", "report"]
