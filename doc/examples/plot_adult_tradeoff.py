"""
==============================================
Tune the fairness weight of a network on Adult
==============================================

A network that predicts who earns more than 50,000 dollars selects men more often than
women. :class:`~fairsk.inprocessing.FairMLPClassifier` adds to its loss the difference
of the selection rates, times a `fairness_weight`. How large should that weight be? A
grid search tries several inside a pipeline, and keeps the most accurate network whose
difference is small enough.

``make demo`` runs this page as a script.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fairsk.datasets import load_adult
from fairsk.inprocessing import FairMLPClassifier
from fairsk.metrics import demographic_parity_difference, get_scorer
from fairsk.model_selection import FairStratifiedKFold, best_within

LIMIT = 0.05
WEIGHTS = [0, 0.1, 0.2, 0.3, 0.4, 0.6, 1, 2]

# %%
# The data
# --------
#
# A quarter of the persons is held out for the test, stratified by sex and label.

adult = load_adult(as_frame=True)
X, y, sex = adult.data, adult.target, adult.sensitive_features["sex"]
X_train, X_test, y_train, y_test, sex_train, sex_test = train_test_split(
    X, y, sex, test_size=0.25, stratify=sex.astype(str) + y.astype(str), random_state=0
)
print(f"{len(X):,} persons; share above 50,000 dollars, by sex:")
print(y.groupby(sex, observed=True).mean().round(3).to_string())

# %%
# The search
# ----------
#
# With metadata routing switched on, `sensitive_features` reach all that ask for them:
# the network at the end of the pipeline, the scorers, and the splitter, which gives
# every fold its share of each label and sex.

sklearn.set_config(enable_metadata_routing=True)

encode = make_column_transformer(
    (StandardScaler(), make_column_selector(dtype_include="number")),
    (
        OneHotEncoder(handle_unknown="ignore"),
        make_column_selector(dtype_exclude="number"),
    ),
)
network = FairMLPClassifier(fairness="demographic_parity", max_iter=12, random_state=0)
model = make_pipeline(encode, network)
search = GridSearchCV(
    model,
    {"fairmlpclassifier__fairness_weight": WEIGHTS},
    scoring={
        "accuracy": get_scorer("accuracy"),
        "neg_difference": get_scorer("neg_demographic_parity_difference"),
    },
    refit=best_within("accuracy", {"difference": LIMIT}),
    cv=FairStratifiedKFold(3, shuffle=True, random_state=0),
    n_jobs=2,
    verbose=3,
)
search.fit(X_train, y_train, sensitive_features=sex_train)

# %%
# What each weight costs
# ----------------------
#
# Mean and standard deviation over the folds.

results = search.cv_results_
accuracy = results["mean_test_accuracy"], results["std_test_accuracy"]
difference = -results["mean_test_neg_difference"], results["std_test_neg_difference"]

print(f"\n{'weight':>8}  {'accuracy':>15}  {'difference':>15}")
for i, weight in enumerate(WEIGHTS):
    row = f"{weight:8.3f}" + "".join(
        f"  {mean[i]:.3f} +- {spread[i]:.3f}" for mean, spread in (accuracy, difference)
    )
    chosen = f"  <- most accurate with a difference of at most {LIMIT}"
    print(row + (chosen if i == search.best_index_ else ""))

# %%
# On persons that no model has seen
# ---------------------------------
#
# The chosen network beside the one without penalty, both trained on all training data.

baseline = clone(model).set_params(fairmlpclassifier__fairness_weight=0)
baseline.fit(X_train, y_train, sensitive_features=sex_train)
held_out = {}
print(f"\n{'on the test data':<24}{'accuracy':>9}{'difference':>12}")
for name, fitted in {"without penalty": baseline, "chosen": search}.items():
    y_pred = fitted.predict(X_test)
    held_out[name] = (
        demographic_parity_difference(y_test, y_pred, sensitive_features=sex_test),
        np.mean(y_pred == y_test),
    )
    print(f"{name:<24}{held_out[name][1]:9.3f}{held_out[name][0]:12.3f}")

# %%
# The trade-off curve
# -------------------

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
ax.errorbar(
    difference[0],
    accuracy[0],
    xerr=difference[1],
    yerr=accuracy[1],
    marker="o",
    capsize=2,
    label="each weight, mean and spread over folds",
)
for i, weight in enumerate(WEIGHTS):
    ax.annotate(
        f"{weight:g}",
        (difference[0][i], accuracy[0][i]),
        xytext=(5, -12),
        textcoords="offset points",
    )
for (name, point), marker in zip(held_out.items(), "sD"):
    ax.plot(*point, marker, color="tab:orange", label=f"test data, {name}")
ax.axvline(LIMIT, color="gray", linestyle="--", label=f"limit {LIMIT}")
ax.set_xlabel("demographic parity difference between women and men")
ax.set_ylabel("accuracy")
ax.set_title("Adult: what each fairness weight costs")
ax.legend(loc="lower right")

if len(sys.argv) > 1:  # as a script: where to put the picture
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=150)
    print(f"\nThe curve is in {path}")
