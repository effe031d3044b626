"""Prometheus's text format."""

import re


def metric(text, name, **labels):
    """The sum of the lines that have these labels."""
    total = 0
    for line in text.splitlines():
        if line.split("{")[0].split(" ")[0] == name and all(f'{k}="{v}"' in line for k, v in labels.items()):
            total += float(line.rsplit(" ", 1)[1])
    return total


def series_value(text, series):
    """Of one series, given with all its labels in their order; None when it is not there."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.M)
    return float(found[1]) if found else None
