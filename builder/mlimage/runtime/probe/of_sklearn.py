"""Scikit-learn: what its estimators fit and predict; the truth is what must hold of each."""

from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlimage.runtime.probe.of_numpy import array, pack
from mlimage.runtime.probe.operation import ITERATIVE, TOLERANCES, Operation, doubles

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLOAT = TOLERANCES["float64"]


def operations() -> Iterator[Operation]:
    """Everything that is asked of scikit-learn."""
    np: Any = import_module("numpy")
    load = import_module
    rows, columns = 240, 12
    x = array((rows, columns), 31, "float64") * np.arange(1, columns + 1)
    score = x[:, 0] * 3 + x[:, 1] * x[:, 2] / 4 + x[:, 5] / 4
    y = (score > 0).astype("int64")
    scaler = load("sklearn.preprocessing").StandardScaler().fit(x)
    scaled = scaler.transform(x)
    yield Operation(
        "sklearn.scaler",
        lambda: pack(np.stack([scaler.mean_, scaler.scale_])),
        lambda ours: (ours, doubles([*_means(x), *_deviations(x)], (2, columns))),
        1e-13,
        _FLOAT,
    )
    pca = load("sklearn.decomposition").PCA
    whole = pca(columns, svd_solver="full").fit(scaled)
    yield Operation(
        "sklearn.pca",
        lambda: pack(whole.transform(scaled)),
        lambda ours: (
            pack(np.einsum("ij,jk->ik", _array(np, ours), whole.components_) + whole.mean_),
            pack(scaled),
        ),
        1e-12,
        _FLOAT,
    )
    ridge = load("sklearn.linear_model").Ridge(alpha=1.0)
    centred, goal = x - x.mean(0), score - score.mean()
    yield Operation(
        "sklearn.ridge",
        lambda: pack(ridge.fit(x, score).coef_),
        lambda ours: (
            pack(np.einsum("ij,ik,k->j", centred, centred, _array(np, ours)) + _array(np, ours)),
            pack(np.einsum("ij,i->j", centred, goal)),
        ),
        1e-12,
        _FLOAT,
    )
    logistic = load("sklearn.linear_model").LogisticRegression(max_iter=300, tol=1e-8)
    yield Operation(
        "sklearn.logistic",
        lambda: pack(logistic.fit(scaled, y).predict_proba(scaled)),
        # At the optimum the residuals, weighted by each feature, are the coefficients (C = 1).
        lambda ours: (
            pack(np.einsum("i,ij->j", y - _array(np, ours)[:, 1], scaled)),
            pack(logistic.coef_[0]),
        ),
        1e-4,
        ITERATIVE,
    )
    forest = load("sklearn.ensemble").RandomForestClassifier(8, bootstrap=False, random_state=0)
    yield Operation(
        "sklearn.forest",
        lambda: pack(forest.fit(x, y).predict_proba(x)),
        # Trees that are grown to the end, on all rows, know each of them.
        lambda ours: (ours, pack(np.stack([1 - y, y], 1).astype("float64"))),
        0,
        _FLOAT,
    )
    boosted = load("sklearn.ensemble").HistGradientBoostingClassifier(max_iter=10, random_state=0)
    yield Operation(
        "sklearn.boosting",
        lambda: pack(boosted.fit(x, y).predict_proba(x)),
        lambda ours: (pack(_array(np, ours).sum(1)), pack(np.ones(rows))),
        1e-12,
        _FLOAT,
    )
    means = load("sklearn.cluster").KMeans(4, n_init=1, tol=0, random_state=0)
    points = array((1024, 4), 32, "float64")  # threads take 256 each
    yield Operation(
        "sklearn.kmeans",
        lambda: pack(means.fit(points).cluster_centers_),
        lambda ours: (
            ours,
            pack(np.stack([points[_nearest(np, points, ours) == k].mean(0) for k in range(4)])),
        ),
        1e-4,
        ITERATIVE,
    )
    vectors = load("sklearn.svm").SVC()
    yield Operation(
        "sklearn.svc",
        lambda: pack(vectors.fit(scaled, y).decision_function(scaled)),
        lambda ours: (ours, pack(_decision(np, vectors, scaled))),
        1e-12,
        ITERATIVE,
    )


def _array(np: Any, ours: Any) -> Any:
    return np.array(ours.numbers()).reshape(ours.shape)


def _means(x: Any) -> list[float]:
    return [math.fsum(column) / len(column) for column in x.T.tolist()]


def _deviations(x: Any) -> list[float]:
    columns = zip(x.T.tolist(), _means(x))
    return [
        math.sqrt(math.fsum((number - mean) ** 2 for number in column) / len(column))
        for column, mean in columns
    ]


def _nearest(np: Any, x: Any, centres: Any) -> Any:
    return ((x[:, None] - _array(np, centres)[None]) ** 2).sum(2).argmin(1)


def _decision(np: Any, model: Any, x: Any) -> Any:
    """The formula of the model that was fitted, in NumPy."""
    gamma = 1 / (x.shape[1] * x.var())
    distances = ((x[:, None] - model.support_vectors_[None]) ** 2).sum(2)
    return (np.exp(-gamma * distances) * model.dual_coef_[0]).sum(1) + model.intercept_[0]
