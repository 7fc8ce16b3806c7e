"""Train it."""

import os
from pathlib import Path

import numpy as np
from digits.preprocessing import PIXELS
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

fitted = LogisticRegression(max_iter=1000).fit(PIXELS, load_digits().target)
np.savez(Path(os.environ["MLIMAGE_MODELS"]) / "model.npz", coef=fitted.coef_, intercept=fitted.intercept_)
