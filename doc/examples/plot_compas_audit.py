"""
Audit a risk score: COMPAS by race and sex
==========================================

A risk score is audited with what can be said for sure: rates of every group with their
intervals, how large a gap chance alone would make, and tests that know that they are
several. Nothing is trained here; the score is the commercial one that judges saw.
"""

# %%
# The data: 6,172 persons scored in Broward County, Florida. To be *selected* by the
# score (decile 5 and above, "medium" or "high") is a harm, so the false positive rate,
# the share of those selected among the ones who were not arrested again, is the rate
# that the debate was about. The two smallest groups have 31 and 11 persons; we join
# them to "Other" as is usual, and look at what they do to a report below.
from fairsk.datasets import load_compas

compas = load_compas(as_frame=True)
rearrested = compas.target
selected = (compas.decile_score >= 5).astype(int)
people = compas.sensitive_features.astype(str)
small = people["race"].isin(["Asian", "Native American"])
people["race"] = people["race"].mask(small, "Other")
people.value_counts()

# %%
# The report
# ----------
# Race and sex are crossed. Beside the difference stands the *noise floor*: the mean
# difference of a predictor that is fair, on groups of these sizes, and the value that
# 95 % of such predictors stay below. With eight groups the floor is far from 0.
from fairsk.metrics import group_metrics

rates = ["selection_rate", "false_positive_rate", "false_negative_rate"]
report = group_metrics(
    [*rates, "positive_predictive_value"],
    rearrested,
    selected,
    sensitive_features=people,
)
report

# %%
# Intervals
# ---------
# Points are the rates with 95 % intervals, the line is the rate of all. The grey band
# is where the rate of a group of that size would lie if the score were fair. False
# positive rates are far from their bands, to both sides; the positive predictive values
# are in or next to theirs. That is the whole dispute in one picture: both cannot be
# equal together where the base rates differ.
from fairsk.inspection import GroupMetricsDisplay

GroupMetricsDisplay.from_result(report)

# %%
# Which interval? Wilson's for one rate of one group, Newcombe's for the gap of two
# groups, and the simultaneous one ("max_t") where the largest of many gaps is quoted.
race = group_metrics(
    "false_positive_rate",
    rearrested,
    selected,
    sensitive_features=people["race"],
)
interval = race.confidence_interval("max_t", "difference", random_state=0)
gap = race.difference()["false_positive_rate"]
low, high = (end["false_positive_rate"] for end in (interval.low, interval.high))
print(f"False positive rates differ by {gap:.3f} (95 %: {low:.3f} to {high:.3f}).")

# %%
# Tests
# -----
# Equalized odds: are error rates equal, given what happened? The groups are permuted
# among persons with the same outcome. Each group is tested, too, with p-values
# corrected for there being eight.
from fairsk.metrics import disparity_test

test = disparity_test(
    rearrested,
    selected,
    sensitive_features=people,
    fairness="equalized_odds",
    random_state=0,
)
print(test)
test.by_group.round(4)

# %%
# Predictive parity, on the other hand: does being selected mean the same in each race?
parity = disparity_test(
    rearrested,
    selected,
    sensitive_features=people["race"],
    fairness="predictive_parity",
    random_state=0,
)
print(parity)

# %%
# Tiny groups
# -----------
# With all six values of race the largest gap is made by eleven persons. The estimate is
# large, and so is the noise floor: a report without it would call this an outrage.
all_races = group_metrics(
    "false_positive_rate",
    rearrested,
    selected,
    sensitive_features=compas.sensitive_features["race"],
)
floor, edge = all_races.noise_floor(random_state=0)
all_races.by_group.assign(persons=all_races.group_sizes).round(3)

# %%
print(
    f"difference {all_races.difference().iloc[0]:.3f}, of fair predictors "
    f"{floor.iloc[0]:.3f} on average and {edge.iloc[0]:.3f} at their 95 % quantile"
)

# %%
# The score itself
# ----------------
# Does a score mean the same risk in each race? Largely: the curves lie close to each
# other, which is what its makers replied.
from fairsk.inspection import GroupCalibrationDisplay

display = GroupCalibrationDisplay.from_predictions(
    rearrested,
    compas.decile_score / 10,
    sensitive_features=people["race"],
)
_ = display.ax_.set(xlabel="decile score / 10", ylabel="share arrested again")
