"""Checks an OpenAPI document from standard input against the specification."""

import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

document = json.load(sys.stdin)
problems = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in OpenAPIV31SpecValidator(document).iter_errors()]
if not str(document.get("openapi", "")).startswith("3.1."):
    problems.append("it is not OpenAPI 3.1")
operations = [op for path in document["paths"].values() for op in path.values()]
ids = [op["operationId"] for op in operations]
if len(ids) != len(set(ids)):
    problems.append("operation ids are not unique")
print("\n".join(problems) or f"valid: {len(operations)} operations, {len(document['components']['schemas'])} schemas")
sys.exit(1 if problems else 0)
