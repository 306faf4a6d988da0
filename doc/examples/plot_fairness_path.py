"""
=====================================
The whole path of weights, in one fit
=====================================

A larger fairness weight gives less disparity and, at some point, less accuracy. Where
that point is cannot be known beforehand, and to try sixteen weights on three folds is
to train 48 networks. :class:`~fairsk.inprocessing.FairMLPClassifierCV` trains them as
one stacked network: the same networks, in a fraction of the time.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fairsk.datasets import load_adult
from fairsk.inprocessing import FairMLPClassifierCV
from fairsk.metrics import demographic_parity_difference
from fairsk.model_selection import best_within

LIMIT = 0.05

# %%
# The data
# --------
#
# A third of the persons of Adult, half of them for the test. The groups are women and
# men, and both labels are shared alike between the halves.

adult = load_adult(as_frame=True)
sex = adult.sensitive_features["sex"]
strata = sex.astype(str) + adult.target.astype(str)
rows, _ = train_test_split(
    np.arange(len(sex)), train_size=16_000, stratify=strata, random_state=0
)
train, test = train_test_split(
    rows, test_size=0.5, stratify=strata.iloc[rows], random_state=0
)
encode = make_column_transformer(
    (StandardScaler(), make_column_selector(dtype_include="number")),
    (
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        make_column_selector(dtype_exclude="number"),
    ),
)
X_train = encode.fit_transform(adult.data.iloc[train])
X_test = encode.transform(adult.data.iloc[test])
y_train, y_test = adult.target.iloc[train], adult.target.iloc[test]
sex_train, sex_test = sex.iloc[train], sex.iloc[test]

# %%
# One fit
# -------
#
# Sixteen weights from 0 to 3, on three folds and on all training samples: 64 networks.
# Of the weights that keep the difference of selection rates within the limit on the
# folds, the most accurate is chosen.

path = FairMLPClassifierCV(
    fairness="demographic_parity",
    refit=best_within("accuracy", {"demographic_parity_difference": LIMIT}),
    max_iter=15,
    random_state=0,
)
path.fit(X_train, y_train, sensitive_features=sex_train)
print(f"chosen weight: {path.fairness_weight_:.3f}")

# %%
# Along the weights
# -----------------
#
# ``path_results_`` is a table like that of a search. At first the difference falls for
# almost nothing. A little later it is gone, for a point and a half of accuracy. Larger
# weights only cost accuracy: what is left of the difference is sampling error.

results = path.path_results_
weights = results["fairness_weight"]
fig, (above, below) = plt.subplots(
    2, 1, figsize=(7, 5.5), sharex=True, layout="constrained"
)
for ax, name, sign, label in (
    (above, "accuracy", 1, "accuracy"),
    (below, "neg_demographic_parity_difference", -1, "difference"),
):
    mean, spread = sign * results[f"mean_test_{name}"], results[f"std_test_{name}"]
    ax.plot(weights, mean, marker="o")
    ax.fill_between(weights, mean - spread, mean + spread, alpha=0.2)
    ax.axvline(path.fairness_weight_, color="tab:orange", label="chosen")
    ax.set_ylabel(label)
below.axhline(LIMIT, color="gray", linestyle="--", label=f"limit {LIMIT}")
below.set_xscale("symlog", linthresh=weights[1])
below.set_xlim(0, weights[-1])
below.set_xlabel("fairness weight")
below.legend()
_ = above.set_title("Adult: mean and spread over three folds")

# %%
# The trade-off, on new persons
# -----------------------------
#
# ``predict_path`` predicts by the network of each weight, and ``frontier_`` holds the
# weights that no other one beats in one score and equals in the other, on the folds.

y_path = path.predict_path(X_test)
accuracy = (y_path == y_test.to_numpy()).mean(axis=1)
difference = np.array(
    [
        demographic_parity_difference(y_test, y_pred, sensitive_features=sex_test)
        for y_pred in y_path
    ]
)
on_frontier = np.isin(weights, path.frontier_["fairness_weight"])
chosen = path.best_index_
print(f"{'weight':>8}{'accuracy':>10}{'difference':>12}")
for i, weight in enumerate(weights):
    note = "  <- chosen" if i == chosen else ""
    print(f"{weight:8.3f}{accuracy[i]:10.3f}{difference[i]:12.3f}{note}")

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
ax.plot(difference, accuracy, color="lightgray", zorder=0)
ax.plot(
    difference[on_frontier], accuracy[on_frontier], "o", label="on the folds' frontier"
)
ax.plot(
    difference[~on_frontier],
    accuracy[~on_frontier],
    "o",
    markerfacecolor="none",
    color="tab:blue",
    label="other weights",
)
ax.plot(difference[chosen], accuracy[chosen], "D", color="tab:orange", label="chosen")
ax.axvline(LIMIT, color="gray", linestyle="--", label=f"limit {LIMIT}")
for i in (0, 6, 7, 8, 9, 13, 14, 15):
    ax.annotate(
        f"{weights[i]:.2g}",
        (difference[i], accuracy[i]),
        xytext=(6, -12),
        textcoords="offset points",
    )
ax.set_xlabel("demographic parity difference between women and men")
ax.set_ylabel("accuracy")
ax.set_title("Adult, test persons: each weight of the path")
_ = ax.legend(loc="lower right")
