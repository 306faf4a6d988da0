"""A report of group metrics as text and as HTML."""

from html import escape

import numpy as np

_ABOVE = "95 % of fair predictors"


def report_tables(result, floor):
    """Header and rows of the two tables of a report.

    Parameters
    ----------
    result : GroupMetrics
        The report.
    floor : tuple of ndarray of shape (n_strata, n_columns)
        Mean and quantile of the noise floor of the difference.

    Returns
    -------
    tables : list of list of list of str
        By group, and by metric: the disparities beside their noise floor.
    """
    index = result._group_index()
    flat = result.values.transpose(0, 2, 1).reshape(-1, len(result.names))
    labels = list(zip(*index.values()))
    by_group = [[*index, "size", *result.names]]
    for label, size, values in zip(labels, result.sizes.ravel(), flat):
        by_group.append([*map(str, label), str(size), *map(_number, values)])
    strata = result._stratum_index()
    header = [*strata, "metric", "overall", "min", "max", "difference", "noise floor"]
    by_metric = [[*header, _ABOVE, "ratio"]]
    columns = [
        result.overall_values,
        np.fmin.reduce(result.values, axis=-1),
        np.fmax.reduce(result.values, axis=-1),
        result._compare("difference"),
        *floor,
        result._compare("ratio"),
    ]
    for c, stratum in enumerate(zip(*strata.values()) if strata else [()]):
        for m, name in enumerate(result.names):
            numbers = [_number(column[c, m]) for column in columns]
            by_metric.append([*map(str, stratum), name, *numbers])
    return [by_group, by_metric]


def _number(value):
    return "" if np.isnan(value) else f"{value:.4g}"


def to_text(tables):
    """Tables as aligned text."""
    blocks = []
    for table in tables:
        widths = [max(map(len, column)) for column in zip(*table)]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths)).rstrip()
            for row in table
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def to_html(tables):
    """Tables as HTML."""
    return "\n".join(_html_table(header, rows) for header, *rows in tables)


def _html_table(header, rows):
    def line(cells, tag):
        return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)

    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return (
        f"<table>\n<thead><tr>{line(header, 'th')}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )
