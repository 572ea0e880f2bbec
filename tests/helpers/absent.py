"""Programs that find some packages nowhere, as where they are not installed."""

__all__ = ['without']


def without(*names: str) -> str:
    """Python to put in front of a program: packages of these names are not there for it, whoever asks."""
    return f"""
import sys
from importlib.machinery import PathFinder
class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition('.')[0] in {sorted(names)} else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
"""
