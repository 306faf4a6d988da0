"""Bundled data: shapes, published figures, and the same content in every form."""

import gzip
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from benchmarks.write_short_bios import table as short_bios_table
from fairsk.datasets import (
    load_adult,
    load_compas,
    load_german_credit,
    load_law_school,
    load_short_bios,
)

LOADERS = {
    "adult": load_adult,
    "compas": load_compas,
    "german_credit": load_german_credit,
    "law_school": load_law_school,
    "short_bios": load_short_bios,
}
# rows, features, features without the sensitive ones, missing values, positives
SHAPES = {
    "adult": (48842, 13, 11, 6465, 11687),
    "compas": (6172, 9, 7, 0, 2809),
    "german_credit": (1000, 21, 18, 0, 700),
    "law_school": (21791, 5, 3, 0, 19360),
    "short_bios": (640, 3, 1, 0, 320),
}


@pytest.fixture(params=LOADERS, name="name")
def fixture_name(request):
    return request.param


def read_with_pandas(name):
    path = resources.files("fairsk.datasets") / "data" / f"{name}.csv.gz"
    with path.open("rb") as raw:
        return pd.read_csv(raw, compression="gzip")


def positive_rates(bunch, feature):
    return bunch.target.groupby(bunch.sensitive_features[feature], observed=True).mean()


def test_shapes_missing_values_and_positives(name):
    bunch = LOADERS[name]()
    n, n_features, n_without, n_missing, n_positive = SHAPES[name]
    assert bunch.data.shape == (n, n_features)
    assert bunch.data.isna().to_numpy().sum() == n_missing
    assert bunch.target.sum() == n_positive
    assert sorted(bunch.target.unique()) == [0, 1]
    assert bunch.sensitive_features.shape == (n, 2)
    assert not bunch.sensitive_features.isna().to_numpy().any()
    assert LOADERS[name](drop_sensitive=True).data.shape == (n, n_without)


def test_columns_equal_the_file(name):
    bunch = LOADERS[name]()
    table = read_with_pandas(name)
    for column in bunch.data:
        left, right = bunch.data[column], table[column]
        assert (left.isna() == right.isna()).all()
        known = right.notna().to_numpy()
        assert left[known].tolist() == right[known].tolist()


def test_arrays_hold_what_frames_hold(name):
    frames, arrays = LOADERS[name](as_frame=True), LOADERS[name](as_frame=False)
    assert arrays.frame is None
    assert arrays.feature_names == list(frames.data) == frames.feature_names
    assert arrays.target_names == frames.target_names
    assert arrays.sensitive_feature_names == list(frames.sensitive_features)
    np.testing.assert_array_equal(arrays.target, frames.target)
    for attribute in ["data", "sensitive_features"]:
        array = getattr(arrays, attribute)
        assert isinstance(array, np.ndarray)
        pd.testing.assert_frame_equal(
            pd.DataFrame(array, columns=list(getattr(frames, attribute))),
            getattr(frames, attribute).astype(object),
            check_dtype=False,
        )


def test_return_X_y_gives_data_and_target(name):
    bunch = LOADERS[name]()
    X, y = LOADERS[name](return_X_y=True)
    pd.testing.assert_frame_equal(X, bunch.data)
    pd.testing.assert_series_equal(y, bunch.target)
    pd.testing.assert_frame_equal(bunch.frame, X.assign(**{y.name: y}))


def test_dropping_leaves_the_groups_in_the_bunch(name):
    bunch, dropped = LOADERS[name](), LOADERS[name](drop_sensitive=True)
    pd.testing.assert_frame_equal(bunch.sensitive_features, dropped.sensitive_features)
    assert not set(dropped.feature_names) & set(dropped.sensitive_feature_names)
    pd.testing.assert_frame_equal(dropped.data, bunch.data[dropped.feature_names])


def test_description_states_origin_licence_and_problems(name):
    description = LOADERS[name](as_frame=False).DESCR
    for heading in ["**Origin.**", "**Licence.**", "**Known problems**"]:
        assert heading in description
    assert f"{SHAPES[name][0]:,}" in description


def test_files_have_no_time_stamp(name):
    # Bytes 4 to 7 of a gzip header: 0 keeps the file the same when it is packed anew.
    path = resources.files("fairsk.datasets") / "data" / f"{name}.csv.gz"
    packed = path.read_bytes()
    assert packed[4:8] == bytes(4)
    assert gzip.decompress(packed).decode("utf-8").endswith("\n")


def test_adult_figures():
    adult = load_adult()
    rates = positive_rates(adult, "sex")
    assert rates["Male"] == pytest.approx(0.304, abs=5e-4)
    assert rates["Female"] == pytest.approx(0.109, abs=5e-4)
    assert adult.sensitive_features["race"].value_counts().to_dict() == {
        "White": 41762,
        "Black": 4685,
        "Asian-Pac-Islander": 1519,
        "Amer-Indian-Eskimo": 470,
        "Other": 406,
    }
    assert "fnlwgt" not in adult.data
    assert adult.sample_weight.min() == 12285
    assert adult.target_names == ["<=50K", ">50K"]


def test_compas_figures():
    compas = load_compas()
    counts = compas.sensitive_features["race"].value_counts()
    assert counts[["African-American", "Caucasian"]].tolist() == [3175, 2103]
    assert compas.sensitive_features["sex"].value_counts()["Female"] == 1175
    rates = positive_rates(compas, "race")
    assert rates["African-American"] == pytest.approx(0.523, abs=5e-4)
    assert rates["Caucasian"] == pytest.approx(0.391, abs=5e-4)


def test_compas_score_is_no_feature_and_errs_as_published():
    compas = load_compas()
    assert "decile_score" not in compas.data
    assert 0.68 < roc_auc_score(compas.target, compas.decile_score) < 0.72
    high = compas.decile_score >= 5
    false_positive_rates = {}
    for race in ["African-American", "Caucasian"]:
        rows = compas.sensitive_features["race"] == race
        (tn, fp), _ = confusion_matrix(compas.target[rows], high[rows])
        false_positive_rates[race] = fp / (tn + fp)
    # ProPublica's headline: "almost twice the rate of white defendants"
    ratio = false_positive_rates["African-American"] / false_positive_rates["Caucasian"]
    assert 1.8 < ratio < 2.1


def test_german_credit_figures():
    german_credit = load_german_credit()
    good = positive_rates(german_credit, "sex")
    assert good.to_dict() == {"female": 201 / 310, "male": 499 / 690}
    young = german_credit.data["age"] <= 25
    assert (german_credit.sensitive_features["age_group"][young] == "up_to_25").all()
    assert (german_credit.sensitive_features["age_group"][~young] == "over_25").all()
    assert young.sum() == 190
    assert german_credit.target_names == ["bad", "good"]


def test_law_school_rates_are_those_of_the_first_attempt():
    # Wightman (1998): 88.7 % of all, 91.9 % of white, 61.4 % of black examinees
    law_school = load_law_school()
    assert law_school.target.mean() == pytest.approx(0.887, abs=0.01)
    rates = positive_rates(law_school, "race")
    assert rates["White"] == pytest.approx(0.919, abs=0.01)
    assert rates["Black"] == pytest.approx(0.614, abs=0.01)


def test_short_bios_are_those_that_the_script_writes():
    path = resources.files("fairsk.datasets") / "data" / "short_bios.csv.gz"
    assert gzip.decompress(path.read_bytes()).decode("utf-8") == short_bios_table()


def test_short_bios_figures():
    bios = load_short_bios()
    assert bios.data["text"].is_unique
    rates = positive_rates(bios, "gender")
    assert rates["she"] == pytest.approx(94 / 348)
    assert rates["he"] == pytest.approx(226 / 292)
    pronouns = {"she": {"She", "she", "Her", "her"}, "he": {"He", "he", "His", "his"}}
    for text, gender in zip(bios.data["text"], bios.data["gender"]):
        words = set(text.replace(".", " ").split())
        assert words & pronouns[gender]
        assert not words & pronouns["he" if gender == "she" else "she"]
        assert not words & {"nurse", "surgeon", "[they]"}
