#!/usr/bin/env python3
"""Writes JSON schemas for kubeconform: schemas.py OUT MINOR DEFINITION...

Those of Kubernetes MINOR come with the package kubernetes-validate; each
DEFINITION is a file with a CustomResourceDefinition. Every schema is whole by
itself: a validator takes seconds to read all that Kubernetes shares between
them.
"""

import json
import pathlib
import re
import sys

import kubernetes_validate
import yaml

METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def without_prose(node):
    """The schema without descriptions, which are most of it."""
    if isinstance(node, list):
        return [without_prose(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: without_prose(value) for key, value in node.items()
            if not (key == "description" and isinstance(value, str))}


def standalone(schema, shared):
    """The schema with what it refers to, by its last part, under `$defs`."""
    needed, open_ = {}, [schema]
    while open_:
        for name in re.findall(r'"\$ref": "[^"]*/([^"/]+)"',
                               json.dumps(open_.pop())):
            if name not in needed:
                needed[name] = shared[name]
                open_.append(shared[name])
    text = json.dumps({**schema, "$defs": needed})
    return re.sub(r'"\$ref": "[^"]*/', '"$ref": "#/$defs/', text)


def strict(node):
    """A part of a definition as a JSON schema: what it does not name is wrong."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: {name: strict(inner) for name, inner in value.items()}
              if key == "properties" else strict(value)
              for key, value in node.items() if not key.startswith("x-")}
    if node.get("x-kubernetes-int-or-string"):
        result["type"] = ["integer", "string"]
    if "properties" in node and not node.get(
            "x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    return result


def of_definition(definition):
    """(file name, schema) of each version that is served."""
    group, kind = (definition["spec"]["group"],
                   definition["spec"]["names"]["kind"])
    for version in definition["spec"]["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["apiVersion"]["enum"] = [
            f"{group}/{version['name']}"]
        schema["properties"]["kind"]["enum"] = [kind]
        schema["properties"]["metadata"] = {"$ref": f"/{METADATA}"}
        yield (f"{kind.lower()}-{group.split('.')[0]}-{version['name']}.json",
               schema)


def main():
    out, minor, *definitions = sys.argv[1:]
    source = (pathlib.Path(kubernetes_validate.__file__).parent
              / f"kubernetes-json-schema/v{minor}.0-local-strict")
    target = pathlib.Path(out) / f"v{minor}.0-strict"
    target.mkdir(parents=True)
    shared = without_prose(json.loads(
        (source / "_definitions.json").read_text()))["$defs"]
    schemas = {path.name: json.loads(path.read_text())
               for path in source.glob("*-v*.json")}
    # Kinds alone, not their parts.
    schemas = {name: schema for name, schema in schemas.items()
               if "x-kubernetes-group-version-kind" in schema}
    assert schemas, f"no schemas of Kubernetes {minor}"
    for file in definitions:
        schemas.update(of_definition(
            yaml.safe_load(pathlib.Path(file).read_text())))
    for name, schema in schemas.items():
        # By its address a validator would look for the rest on the network.
        schema.pop("$id", None)
        (target / name).write_text(standalone(without_prose(schema), shared))


if __name__ == "__main__":
    main()
