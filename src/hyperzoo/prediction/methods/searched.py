"""The frame of the published baselines: scaling, principal components, a small search.

The published scripts fit the scaler and the PCA on all networks, choose by the test set, and keep
the last network as "best". Here all is fitted on training networks, settings are chosen on a
share of those, and the method is then fitted again on all of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from hyperzoo.features.components import LeadingComponents
from hyperzoo.prediction.splits import LastOfEachClass


def searched(estimator: Any, settings: Mapping[str, Sequence[Any]]) -> Pipeline:
    """An estimator on 100 principal components with the best of some settings.

    Args:
        estimator: a scikit-learn classifier.
        settings: parameter -> values to try, all combinations.
    """
    search = GridSearchCV(estimator, dict(settings), cv=LastOfEachClass(), error_score="raise")
    return make_pipeline(LeadingComponents(100), search)
