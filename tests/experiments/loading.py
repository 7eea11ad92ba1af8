"""Loading an experiment's file as gradbench does: by its path."""

from types import ModuleType

from gradbench.config import experiments_folder
from gradbench.observing.experiment import load_file


def load_experiment(file: str) -> ModuleType:
    return load_file(experiments_folder() / file)
