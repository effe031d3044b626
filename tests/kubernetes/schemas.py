#!/usr/bin/env python3
"""JSON schemas for kubeconform, from Kubernetes's own description of its API.

usage: schemas.py swagger.json DIRECTORY
"""

import json
import os
import sys

PREFIX = "#/definitions/"


def references(schema):
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(PREFIX)
            else:
                yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def closure(name, definitions):
    needed, open_ones = {}, [name]
    while open_ones:
        one = open_ones.pop()
        if one not in needed:
            needed[one] = definitions[one]
            open_ones += references(definitions[one])
    return needed


def main():
    source, directory = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        definitions = json.load(file)["definitions"]
    for schema in definitions.values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    # They are strings there, and numbers too in YAML.
    definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = {"type": ["string", "integer"]}
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"type": ["string", "number"]}
    os.makedirs(directory, exist_ok=True)
    for name, schema in definitions.items():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            group = kind["group"].split(".")[0]
            path = "-".join(filter(None, [kind["kind"].lower(), group, kind["version"]])) + ".json"
            with open(os.path.join(directory, path), "w", encoding="utf-8") as file:
                json.dump({"$ref": PREFIX + name, "definitions": closure(name, definitions)}, file)


if __name__ == "__main__":
    main()
