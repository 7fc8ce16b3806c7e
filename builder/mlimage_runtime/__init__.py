"""What programs in an image of mlimage may ask of it; it works outside of one, too.

>>> from mlimage_runtime import data, seed  # doctest: +SKIP
>>> rows = open(data("events") + "/rows.csv")  # doctest: +SKIP
"""

from mlimage_runtime.cases import record
from mlimage_runtime.places import data, models
from mlimage_runtime.preprocessing import load_preprocess
from mlimage_runtime.seeds import seed

__all__ = ["data", "load_preprocess", "models", "record", "seed"]
