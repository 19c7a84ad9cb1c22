#!/usr/bin/env python3
"""Unpacks JSON schemas of Kubernetes for kubeconform: schemas.py OUT MINOR...

They come with the package kubernetes-validate. Their "$id" would make a
validator look for the shared definitions on the network, so it is dropped and
the references are made relative.
"""

import json
import pathlib
import sys

import kubernetes_validate


def main():
    out, minors = pathlib.Path(sys.argv[1]), sys.argv[2:]
    package = pathlib.Path(kubernetes_validate.__file__).parent
    for minor in minors:
        source = package / f"kubernetes-json-schema/v{minor}.0-local-strict"
        target = out / f"v{minor}.0-strict"
        target.mkdir(parents=True)
        for path in source.glob("*.json"):
            schema = json.loads(path.read_text().replace(
                '"/api/_definitions.json#', '"_definitions.json#'))
            schema.pop("$id", None)
            (target / path.name).write_text(json.dumps(schema))
        assert any(target.iterdir()), f"no schemas of Kubernetes {minor}"


if __name__ == "__main__":
    main()
