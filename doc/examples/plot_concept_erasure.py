"""
Erase a concept, and check that it is gone
==========================================

Four linear ways to take sex out of the features of the Adult data, what probes still
find afterwards, and how far the samples were moved.
"""

# %%
# The features: numbers scaled, categories one-hot, sex itself left out. Husbands and
# wives are still told by their relationship.
import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fairsk.datasets import load_adult

adult = load_adult(as_frame=True)
rows = np.random.default_rng(0).choice(len(adult.data), 4000, replace=False)
frame = adult.data.iloc[rows].drop(columns="sex")
sex, income = adult.sensitive_features["sex"].iloc[rows], adult.target.iloc[rows]
encoder = make_column_transformer(
    (StandardScaler(), make_column_selector(dtype_include="number")),
    (OneHotEncoder(sparse_output=False), make_column_selector(dtype_exclude="number")),
)
X = encoder.fit_transform(frame)

# %%
# One column at a time, :class:`~fairsk.preprocessing.ProxyDetector` finds the strongest
# proxies: the area under the ROC curve of a small tree on that column alone.
from fairsk.preprocessing import ProxyDetector

detector = ProxyDetector(random_state=0).fit(frame, sensitive_features=sex)
for position in detector.ranking_[:4]:
    print(f"{frame.columns[position]:15s} {detector.scores_[position]:.2f}")

# %%
# Now all columns together. Leakage is 0 for chance and 1 for a group that is told
# without error. Three readings: a linear probe on the rows that the eraser was fitted
# to, which is what the guarantee is about, and a linear probe and a network that are
# judged on folds they were not fitted to.
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from fairsk.preprocessing import (
    ConceptEraser,
    ConceptProbe,
    MeanProjection,
    NullspaceProjector,
)

erasers = {
    "nothing": None,
    "ConceptEraser": ConceptEraser(),
    "within labels": ConceptEraser(condition_on_label=True),
    "MeanProjection": MeanProjection(),
    "NullspaceProjector": NullspaceProjector(tol=0.05),
}


def leakage_on_same_rows(Z):
    scaled = StandardScaler().fit_transform(Z)
    probe = LogisticRegression(max_iter=2000).fit(scaled, sex)
    return 2 * balanced_accuracy_score(sex, probe.predict(scaled)) - 1


probe = ConceptProbe(cv=3, random_state=0)
table = {}
for name, eraser in erasers.items():
    Z = X
    if eraser is not None:
        Z = eraser.fit(X, income, sensitive_features=sex).transform(X)
    leakage = probe.fit(Z, sensitive_features=sex).leakage_
    moved = ((Z - X) ** 2).sum(axis=1).mean() / ((X - X.mean(0)) ** 2).sum(1).mean()
    table[name] = {
        "linear, same rows": leakage_on_same_rows(Z),
        "linear, other folds": leakage["linear"],
        "network, other folds": leakage["mlp"],
        "share of variance moved": moved,
    }
table = pd.DataFrame(table).T
table.round(3)

# %%
# On the rows it was fitted to, the promise of ConceptEraser holds exactly, and it moves
# the samples least. On folds it does not: the covariance vanishes over all rows, not
# over each part of them, and columns that nearly say the group give a new probe much to
# read. A network hardly notices that anything was erased. A linear eraser is a promise
# about linear models on these data; a column that says the group is better dropped.
import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
readings = table.drop(columns="share of variance moved").iloc[::-1]
colors = ["#009e73", "#0072b2", "#e69f00"]
readings.plot.barh(ax=axes[0], color=colors, width=0.75, legend=False)
axes[0].set(xlabel="leakage (0 = chance)", xlim=(0, 1), title="What probes find")
fig.legend(frameon=False, loc="outside lower left", ncols=3)
table["share of variance moved"].iloc[::-1].plot.barh(ax=axes[1], color="#999999")
axes[1].set(xlabel="share of variance", title="What it cost")
axes[1].set_yticklabels([])
plt.show()
