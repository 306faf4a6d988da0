"""Loaders of the bundled data sets."""

import numpy as np

from fairsk.datasets._base import load_table


def load_adult(*, as_frame="auto", return_X_y=False, drop_sensitive=False):
    """Load Adult (classification): who earns more than 50,000 dollars a year.

    48,842 persons of the US census of 1994, with 13 features [1]_. Among men 30 % are
    in the positive class, among women 11 %.

    Parameters
    ----------
    as_frame : bool or "auto", default="auto"
        True: pandas objects, text columns as categoricals. False: arrays, for which
        pandas is not needed; an array with a text column is an object array. "auto":
        True where pandas is installed. A missing value is NaN in both.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch. Take the groups from the columns
        of `data`, for instance by ``group_by='sex'``.
    drop_sensitive : bool, default=False
        Leave `sex` and `race` out of `data`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : DataFrame or ndarray of shape (48842, 13)
            The features (11 with `drop_sensitive`). `age`, often treated as
            sensitive too, is one of them.
        target : Series or ndarray of shape (48842,)
            1 where the income is above 50,000 dollars (`">50K"`), else 0.
        sensitive_features : DataFrame or ndarray of shape (48842, 2)
            `sex` (2 values) and `race` (5 values).
        feature_names, target_names, sensitive_feature_names : list of str
            Names of the columns of `data`, of the classes, and of the columns of
            `sensitive_features`.
        frame : DataFrame or None
            `data` and `target` in one frame; None for arrays.
        sample_weight : Series or ndarray of shape (48842,)
            The survey weight `fnlwgt`: how many persons the row stands for. It is no
            feature.
        DESCR : str
            Where the data come from, their licence, and what is wrong with them.
    (data, target) : tuple if ``return_X_y=True``
        The features and the target alone.

    Notes
    -----
    `workclass`, `occupation` and `native_country` have missing values. 76 % of all and
    89 % of the women are below the threshold of 50,000 dollars: another threshold
    gives another gap, and other conclusions about methods [2]_.

    References
    ----------
    .. [1] Becker, B. and Kohavi, R. (1996). Adult. UCI Machine Learning Repository.
       :doi:`10.24432/C5XW20`
    .. [2] Ding, F., Hardt, M., Miller, J. and Schmidt, L. (2021). Retiring Adult: New
       datasets for fair machine learning. NeurIPS 34.

    Examples
    --------
    >>> from fairsk.datasets import load_adult
    >>> adult = load_adult()
    >>> adult.data.shape
    (48842, 13)
    >>> adult.sensitive_feature_names
    ['sex', 'race']
    >>> adult.target_names
    ['<=50K', '>50K']
    """
    return load_table(
        "adult",
        target="income",
        target_names=["<=50K", ">50K"],
        sensitive={"sex": None, "race": None},
        extras={"sample_weight": "fnlwgt"},
        as_frame=as_frame,
        return_X_y=return_X_y,
        drop_sensitive=drop_sensitive,
    )


def load_compas(*, as_frame="auto", return_X_y=False, drop_sensitive=False):
    """Load COMPAS (classification): who is arrested again within two years.

    6,172 defendants of Broward County, Florida, 2013 and 2014, with 9 features, by
    ProPublica's selection of rows [1]_. The commercial risk score that the data became
    known for is `decile_score`.

    Parameters
    ----------
    as_frame : bool or "auto", default="auto"
        True: pandas objects, text columns as categoricals. False: arrays, for which
        pandas is not needed; an array with a text column is an object array. "auto":
        True where pandas is installed. A missing value is NaN in both.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch. Take the groups from the columns
        of `data`, for instance by ``group_by='race'``.
    drop_sensitive : bool, default=False
        Leave `race` and `sex` out of `data`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : DataFrame or ndarray of shape (6172, 9)
            The features (7 with `drop_sensitive`).
        target : Series or ndarray of shape (6172,)
            1 where the defendant was arrested again within two years, else 0.
        sensitive_features : DataFrame or ndarray of shape (6172, 2)
            `race` (6 values) and `sex` (2 values).
        feature_names, target_names, sensitive_feature_names : list of str
            Names of the columns of `data`, of the classes, and of the columns of
            `sensitive_features`.
        frame : DataFrame or None
            `data` and `target` in one frame; None for arrays.
        decile_score : Series or ndarray of shape (6172,)
            The commercial score, 1 to 10. Northpointe calls 5 to 7 medium and 8 to 10
            high risk.
        DESCR : str
            Where the data come from, their licence, and what is wrong with them.
    (data, target) : tuple if ``return_X_y=True``
        The features and the target alone.

    Notes
    -----
    The positive class is the *unfavourable* one. An arrest is not a crime: who is
    policed more is arrested more, so the label is biased in the direction that a model
    is then audited for. The data are for research on methods and not for building or
    defending a risk tool [2]_.

    References
    ----------
    .. [1] Angwin, J., Larson, J., Mattu, S. and Kirchner, L. (2016). Machine bias.
       ProPublica.
    .. [2] Bao, M. et al. (2021). It's COMPASlicated: The messy relationship between
       RAI datasets and algorithmic fairness benchmarks. NeurIPS Datasets and
       Benchmarks.

    Examples
    --------
    >>> from fairsk.datasets import load_compas
    >>> compas = load_compas()
    >>> compas.data.shape
    (6172, 9)
    >>> compas.sensitive_feature_names
    ['race', 'sex']
    """
    return load_table(
        "compas",
        target="two_year_recid",
        target_names=["not_rearrested", "rearrested"],
        sensitive={"race": None, "sex": None},
        extras={"decile_score": "decile_score"},
        as_frame=as_frame,
        return_X_y=return_X_y,
        drop_sensitive=drop_sensitive,
    )


def load_german_credit(*, as_frame="auto", return_X_y=False, drop_sensitive=False):
    """Load German Credit (classification): which loan is a good risk.

    1,000 loans of a bank in southern Germany, 1973 to 1975, with 21 features [1]_.
    Bad risks are oversampled to 30 %.

    Parameters
    ----------
    as_frame : bool or "auto", default="auto"
        True: pandas objects, text columns as categoricals. False: arrays, for which
        pandas is not needed; an array with a text column is an object array. "auto":
        True where pandas is installed. A missing value is NaN in both.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch. Take the groups from the columns
        of `data`, for instance by ``group_by='sex'``.
    drop_sensitive : bool, default=False
        Leave `sex`, `age`, and `personal_status_sex`, which tells the sex, out of
        `data`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : DataFrame or ndarray of shape (1000, 21)
            The features (18 with `drop_sensitive`).
        target : Series or ndarray of shape (1000,)
            1 where the loan was a good risk, else 0.
        sensitive_features : DataFrame or ndarray of shape (1000, 2)
            `sex` (2 values) and `age_group`, which is `"up_to_25"` or `"over_25"`.
        feature_names, target_names, sensitive_feature_names : list of str
            Names of the columns of `data`, of the classes, and of the columns of
            `sensitive_features`.
        frame : DataFrame or None
            `data` and `target` in one frame; None for arrays.
        DESCR : str
            Where the data come from, their licence, and what is wrong with them.
    (data, target) : tuple if ``return_X_y=True``
        The features and the target alone.

    Notes
    -----
    `sex` is derived from `personal_status_sex`, whose published coding is disputed:
    A92, read as "female", holds single men too, and A95, "single women", does not
    occur [2]_. A gap by sex on these data is therefore no finding about women and men.
    The age limit of 25 years is that of [3]_.

    References
    ----------
    .. [1] Hofmann, H. (1994). Statlog (German Credit Data). UCI Machine Learning
       Repository. :doi:`10.24432/C5NC77`
    .. [2] Groemping, U. (2019). South German credit data: correcting a widely used
       data set. Reports in Mathematics, Physics and Chemistry 4/2019, Beuth
       University of Applied Sciences Berlin.
    .. [3] Kamiran, F. and Calders, T. (2009). Classifying without discriminating.
       IC4. :doi:`10.1109/IC4.2009.4909197`

    Examples
    --------
    >>> from fairsk.datasets import load_german_credit
    >>> german_credit = load_german_credit()
    >>> german_credit.data.shape
    (1000, 21)
    >>> german_credit.sensitive_feature_names
    ['sex', 'age_group']
    """
    return load_table(
        "german_credit",
        target="credit_risk",
        target_names=["bad", "good"],
        sensitive={"sex": None, "age_group": _german_age_group},
        proxies=("personal_status_sex", "age"),
        as_frame=as_frame,
        return_X_y=return_X_y,
        drop_sensitive=drop_sensitive,
    )


def load_law_school(*, as_frame="auto", return_X_y=False, drop_sensitive=False):
    """Load Law School (classification): who passes the bar at the first attempt.

    21,791 students who entered a US law school in 1991, with 5 features: the admission
    test score `lsat`, the undergraduate grade `ugpa`, the standardised grade of the
    first year `zfya`, `race` and `sex` [1]_. At the first attempt 92 % of the white and
    62 % of the black students passed.

    Parameters
    ----------
    as_frame : bool or "auto", default="auto"
        True: pandas objects, text columns as categoricals. False: arrays, for which
        pandas is not needed; an array with a text column is an object array. "auto":
        True where pandas is installed. A missing value is NaN in both.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch. Take the groups from the columns
        of `data`, for instance by ``group_by='race'``.
    drop_sensitive : bool, default=False
        Leave `race` and `sex` out of `data`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : DataFrame or ndarray of shape (21791, 5)
            The features (3 with `drop_sensitive`).
        target : Series or ndarray of shape (21791,)
            1 where the graduate passed, else 0.
        sensitive_features : DataFrame or ndarray of shape (21791, 2)
            `race` (8 values) and `sex` (2 values).
        feature_names, target_names, sensitive_feature_names : list of str
            Names of the columns of `data`, of the classes, and of the columns of
            `sensitive_features`.
        frame : DataFrame or None
            `data` and `target` in one frame; None for arrays.
        DESCR : str
            Where the data come from, their licence, and what is wrong with them.
    (data, target) : tuple if ``return_X_y=True``
        The features and the target alone.

    Notes
    -----
    The file calls its target only `pass_bar`. Its rates are the study's first-attempt
    rates; in the end 97 % of the white and 78 % of the black participants passed [1]_.

    References
    ----------
    .. [1] Wightman, L. F. (1998). LSAC National Longitudinal Bar Passage Study. LSAC
       Research Report Series.

    Examples
    --------
    >>> from fairsk.datasets import load_law_school
    >>> law_school = load_law_school()
    >>> law_school.data.shape
    (21791, 5)
    >>> law_school.sensitive_feature_names
    ['race', 'sex']
    """
    return load_table(
        "law_school",
        target="pass_bar",
        target_names=["failed", "passed"],
        sensitive={"race": None, "sex": None},
        as_frame=as_frame,
        return_X_y=return_X_y,
        drop_sensitive=drop_sensitive,
    )


def load_short_bios(*, as_frame="auto", return_X_y=False, drop_sensitive=False):
    """Load Short bios (classification): whether a text is about a surgeon or a nurse.

    640 texts of five sentences, written from templates for fairsk. The profession goes
    along with the pronoun, and praise with the gender, so that a model of the texts is
    biased in ways that are known. Small enough for tests and examples.

    Parameters
    ----------
    as_frame : bool or "auto", default="auto"
        True: pandas objects, text columns as categoricals, but for the texts. False:
        arrays, for which pandas is not needed. "auto": True where pandas is installed.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    drop_sensitive : bool, default=False
        Leave `gender` and `career_stage` out of `data`: the column `text` remains.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : DataFrame or ndarray of shape (640, 3)
            `text`, `gender` and `career_stage` (1 column with `drop_sensitive`).
        target : Series or ndarray of shape (640,)
            1 for a surgeon, 0 for a nurse.
        sensitive_features : DataFrame or ndarray of shape (640, 2)
            `gender` (`"she"`, `"he"`) and `career_stage` (`"early"`, `"late"`).
        feature_names, target_names, sensitive_feature_names : list of str
            Names of the columns of `data`, of the classes, and of the columns of
            `sensitive_features`.
        frame : DataFrame or None
            `data` and `target` in one frame; None for arrays.
        DESCR : str
            How the texts were made, their licence, and their limits.
    (data, target) : tuple if ``return_X_y=True``
        The features and the target alone.

    Examples
    --------
    >>> from fairsk.datasets import load_short_bios
    >>> bios = load_short_bios()
    >>> bios.data["text"][2]
    'Born in Turin, he has been with the team for 34 years...along the river.'
    >>> bios.sensitive_feature_names
    ['gender', 'career_stage']
    """
    return load_table(
        "short_bios",
        target="profession",
        target_names=["nurse", "surgeon"],
        sensitive={"gender": None, "career_stage": None},
        as_frame=as_frame,
        return_X_y=return_X_y,
        drop_sensitive=drop_sensitive,
    )


def _german_age_group(columns):
    return np.where(columns["age"] <= 25, "up_to_25", "over_25").astype(object)
