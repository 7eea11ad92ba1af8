"""Loading an experiment's file as gradbench does: by its path."""

from types import ModuleType

from gradbench.observing.experiment import load_file
from gradbench.request.schema import experiments_folder


def load_experiment(file: str) -> ModuleType:
    return load_file(experiments_folder() / file)
