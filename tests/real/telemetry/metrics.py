"""Reads metrics from stdin with the parser of Prometheus's own client library, strictly, and writes
what it understood as JSON: an object of samples by name and labels."""

import json
import sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as classic

parse = {"openmetrics": openmetrics, "classic": classic}[sys.argv[1]]
families = list(parse.text_string_to_metric_families(sys.stdin.read()))
samples = [
    {"family": family.name, "type": family.type, "name": sample.name, "labels": sample.labels,
     "value": sample.value}
    for family in families
    for sample in family.samples
]
# Infinity is no JSON; nothing here is infinite but bounds, which are labels.
json.dump(samples, sys.stdout, allow_nan=False)
