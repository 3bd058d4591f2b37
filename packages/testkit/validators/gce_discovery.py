"""Holds exchanges with Compute Engine against Google's own discovery document, which google-api-python-client carries.

In: one JSON object a line, either {"method", "url", "requestBody", "status", "responseBody"}, or {"schema", "value"} for a body alone.
Out: one JSON object a line for each problem, {"line", "problem"}; in the end {"checked", "operations"}: how many lines were held against the document, and by which methods.
"""

import base64
import binascii
import json
import os
import re
import sys
from collections import Counter
from urllib.parse import parse_qsl, unquote, urlsplit

import googleapiclient

DOCUMENTS = os.path.join(os.path.dirname(googleapiclient.__file__), "discovery_cache", "documents")


def document(name):
    with open(os.path.join(DOCUMENTS, f"{name}.json"), encoding="utf-8") as file:
        return json.load(file)


API = document("compute.v1")
SCHEMAS = API["schemas"]
PREFIX = "/" + API["servicePath"]
RANGES = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1), "int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1)}


def methods(resources):
    for name, resource in resources.items():
        for action, method in resource.get("methods", {}).items():
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(method["path"]))
            yield f"{name}.{action}", method, re.compile(pattern + r"\Z")
        yield from methods(resource.get("resources", {}))


METHODS = list(methods(API["resources"]))


def check_text(text, schema, at):
    """A value of the path or the query, which is text."""
    kind = schema.get("type")
    if kind == "boolean" and text not in ("true", "false"):
        yield f"{at}: expected true or false, got {text!r}"
    if kind == "integer":
        if not re.fullmatch(r"-?\d+", text):
            yield f"{at}: expected a whole number, got {text!r}"
        elif not int(schema.get("minimum", text)) <= int(text) <= int(schema.get("maximum", text)):
            yield f"{at}: {text} is out of bounds"
    if "enum" in schema and text not in schema["enum"]:
        yield f"{at}: expected one of {', '.join(schema['enum'])}, got {text!r}"
    if "pattern" in schema and not re.fullmatch(schema["pattern"], text):
        yield f"{at}: {text!r} does not match {schema['pattern']}"


def check_value(value, schema, at, is_request):
    """A value of a body. What the service alone may set is a problem in a request."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"]]
    kind = schema.get("type")
    if kind == "object":
        if not isinstance(value, dict):
            yield f"{at}: expected an object, got {value!r}"
            return
        properties = schema.get("properties", {})
        for key, inner in value.items():
            where = f"{at}.{key}"
            known = properties.get(key, schema.get("additionalProperties"))
            if known is None:
                yield f"{where}: no such property"
                continue
            if is_request and (known.get("readOnly") or re.match(r"(Output only\. ?)?\[Output[ -]Only\]", known.get("description", ""), re.I)):
                yield f"{where}: only the service sets it"
            yield from check_value(inner, known, where, is_request)
    elif kind == "array":
        if not isinstance(value, list):
            yield f"{at}: expected a list, got {value!r}"
            return
        for index, inner in enumerate(value):
            yield from check_value(inner, schema["items"], f"{at}[{index}]", is_request)
    elif kind == "string":
        yield from check_string(value, schema, at)
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"{at}: expected true or false, got {value!r}"
    elif kind in ("integer", "number"):
        if isinstance(value, bool) or not isinstance(value, int if kind == "integer" else (int, float)):
            yield f"{at}: expected a number, got {value!r}"
        elif schema.get("format") in RANGES and not in_range(value, schema["format"]):
            yield f"{at}: {value} is no {schema['format']}"


def check_string(value, schema, at):
    if not isinstance(value, str):
        yield f"{at}: expected a string, got {value!r}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: expected one of {', '.join(schema['enum'])}, got {value!r}"
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        yield f"{at}: {value!r} does not match {schema['pattern']}"
    kind = schema.get("format")
    if kind in RANGES and not (re.fullmatch(r"-?\d+", value) and in_range(int(value), kind)):
        yield f"{at}: {value!r} is no {kind}"
    if kind == "byte":
        try:
            base64.b64decode(value, altchars=b"-_", validate=True)
        except binascii.Error:
            yield f"{at}: {value!r} is not base64"


def in_range(value, kind):
    low, high = RANGES[kind]
    return low <= value <= high


def check_error(status, body):
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        yield f"response: a refusal without an error, got {body!r}"
        return
    if error.get("code") != status:
        yield f"response.error.code: expected {status}, got {error.get('code')!r}"
    if not isinstance(error.get("message"), str):
        yield "response.error.message: expected a string"
    for index, entry in enumerate(error.get("errors") or [None]):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("message", "domain", "reason")):
            yield f"response.error.errors[{index}]: expected message, domain and reason, got {entry!r}"


def check_exchange(exchange, operations):
    url = urlsplit(exchange["url"])
    if not url.path.startswith(PREFIX):
        yield f"{url.path}: not below {PREFIX}"
        return
    path = url.path[len(PREFIX) :]
    for name, method, pattern in METHODS:
        match = pattern.match(path) if method["httpMethod"] == exchange["method"] else None
        if match:
            break
    else:
        yield f"{exchange['method']} {path}: no such method"
        return
    operations[name] += 1
    parameters = method.get("parameters", {})
    for key, text in match.groupdict().items():
        yield from check_text(unquote(text), parameters[key], f"{name} path {key}")
    for key, text in parse_qsl(url.query, keep_blank_values=True):
        schema = parameters.get(key, API["parameters"].get(key))
        if schema is None or schema.get("location") != "query":
            yield f"{name} query {key}: no such parameter"
        else:
            yield from check_text(text, schema, f"{name} query {key}")
    body = parse(exchange.get("requestBody"))
    if "request" in method:
        yield from check_value({} if body in (None, "") else body, method["request"], f"{name} request", True)
    elif body not in (None, ""):
        yield f"{name} request: expected no body, got {body!r}"
    answer = parse(exchange.get("responseBody"))
    if exchange["status"] >= 400:
        yield from (f"{name} {problem}" for problem in check_error(exchange["status"], answer))
    elif "response" in method:
        yield from check_value(answer, method["response"], f"{name} response", False)


def parse(text):
    return json.loads(text) if text else None


def main():
    operations = Counter()
    checked = 0
    for number, line in enumerate(sys.stdin, 1):
        entry = json.loads(line)
        if "schema" in entry:
            # Of another API than compute.v1 only schemas that refer to no other one.
            *api, schema = entry["schema"].split(" ")
            problems = check_value(entry["value"], document(api[0])["schemas"][schema] if api else {"$ref": schema}, schema, True)
        else:
            problems = check_exchange(entry, operations)
        for problem in problems:
            print(json.dumps({"line": number, "problem": problem}))
        checked += 1
    print(json.dumps({"checked": checked, "operations": operations}))


main()
