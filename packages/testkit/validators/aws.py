"""Checks recorded exchanges with a fake AWS against the service models that AWS wrote for botocore.

Reads JSON lines on standard input, each an exchange as the fakes' `onExchange` tells it: {operation, request: {url, headers, body}, answer: {status, headers, body}}.
With the arguments `input SERVICE OPERATION` reads one JSON object instead, the operation's parameters, and writes {"problems": [TEXT, ...]}. With `operations` writes {SERVICE: [OPERATION, ...]}.

Writes one JSON object: {"exchanges": N, "operations": {NAME: COUNT}, "problems": [TEXT, ...]}. Nothing that the models know is left out: operation names, members of requests and responses,
required members, types, enumerations, ranges and patterns, the names of lists' elements, envelopes of results and errors, modelled error codes and their statuses.
"""

import json
import re
import sys
from collections import Counter
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import botocore.session
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator

SESSION = botocore.session.get_session()
MODELS = {name: SESSION.get_service_model(name) for name in ("autoscaling", "ec2", "ec2-instance-connect")}
# Errors that every service may answer, which no model repeats: "Common error types" of the API references, with their statuses.
COMMON_ERRORS = {
    "AccessDenied": {400, 403},
    "AccessDeniedException": {400, 403},
    "InternalFailure": {500},
    "InvalidAction": {400},
    "MissingAuthenticationToken": {400, 403},
    "Throttling": {400},
    "ThrottlingException": {400, 429},
    "ValidationError": {400},
}


def check(exchange):
    request, answer = exchange["request"], exchange["answer"]
    target = request["headers"].get("x-amz-target")
    form = dict(parse_qsl(request["body"], keep_blank_values=True, strict_parsing=True)) if target is None else {}
    service, operation = named(target, form)
    model = MODELS[service]
    if operation not in model.operation_names:
        return [f"request: {service} has no operation {operation}"]
    operation_model = model.operation_model(operation)
    problems = []
    if target is None:
        check_query_request(model, operation_model, form, problems)
    else:
        check_json_request(operation_model, request["body"], problems)
    if answer["status"] < 300:
        check_result(model, operation_model, answer, problems)
    else:
        check_error(model, operation_model, answer, problems)
    return problems


def named(target, form):
    if target is not None:
        return "ec2-instance-connect", target.removeprefix("AWSEC2InstanceConnectService.")
    service = "ec2" if form.get("Version") == MODELS["ec2"].api_version else "autoscaling"
    return service, form.get("Action", "")


# Requests


def check_query_request(model, operation_model, form, problems):
    fields = dict(form)
    fields.pop("Action")
    version = fields.pop("Version", None)
    if version != model.api_version:
        problems.append(f"request.Version: expected {model.api_version}, got {version}")
    is_ec2 = model.metadata["protocol"] == "ec2"
    params = {}
    if operation_model.input_shape is not None:
        params = read_structure(operation_model.input_shape, fields, "", is_ec2, problems) or {}
        check_params(operation_model, params, problems)
    problems += [f"request.{key}: unknown" for key in fields]
    if not problems:
        # What botocore itself would have sent for the same parameters.
        serialized = create_serializer(model.metadata["protocol"]).serialize_to_request(params, operation_model)["body"]
        expected = {key: str(value) for key, value in serialized.items()}
        if expected != form:
            problems.append(f"request: botocore would have sent {expected}, got {form}")


def check_json_request(operation_model, body, problems):
    params = json.loads(body)
    unknown = set(params) - set(operation_model.input_shape.members)
    problems += [f"request.{key}: unknown" for key in sorted(unknown)]
    check_params(operation_model, params, problems)


def check_params(operation_model, params, problems):
    report = ParamValidator().validate(params, operation_model.input_shape)
    if report.has_errors():
        problems += [f"request: {line}" for line in report.generate_report().splitlines()]
    check_values(params, operation_model.input_shape, "request", problems)


def read_value(shape, fields, prefix, is_ec2, problems):
    if shape.type_name == "structure":
        return read_structure(shape, fields, f"{prefix}.", is_ec2, problems)
    if shape.type_name == "list":
        between = "" if is_ec2 or shape.serialization.get("flattened") else f".{shape.member.serialization.get('name', 'member')}"
        values = []
        while True:
            value = read_value(shape.member, fields, f"{prefix}{between}.{len(values) + 1}", is_ec2, problems)
            if value is None:
                return values or None
            values.append(value)
    text = fields.pop(prefix, None)
    return None if text is None else scalar(shape, text, f"request.{prefix}", problems)


def read_structure(shape, fields, prefix, is_ec2, problems):
    found = {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        if is_ec2:
            wire = member.serialization.get("queryName") or wire[0].upper() + wire[1:]
        value = read_value(member, fields, prefix + wire, is_ec2, problems)
        if value is not None:
            found[name] = value
    return found or None


# Responses


def check_result(model, operation_model, answer, problems):
    shape = operation_model.output_shape
    if model.metadata["protocol"] == "json":
        content = json.loads(answer["body"])
        problems += [f"response.{key}: unknown" for key in sorted(set(content) - set(shape.members))]
        check_values(content, shape, "response", problems)
        return
    root = parse_xml(answer["body"])
    expect_tag(root, f"{operation_model.name}Response", "response", problems)
    children = {tag(child): child for child in root}
    if len(children) != len(root):
        problems.append("response: an element stands twice")
    if model.metadata["protocol"] == "ec2":
        if children.pop("requestId", None) is None:
            problems.append("response.requestId: missing")
        check_xml_members(root, shape, "response", problems, known={"requestId"})
    else:
        metadata = children.pop("ResponseMetadata", None)
        if metadata is None or metadata.find("{*}RequestId") is None:
            problems.append("response.ResponseMetadata.RequestId: missing")
        wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
        if wrapper is not None and wrapper in children:
            check_xml_members(children.pop(wrapper), shape, "response", problems)
        elif shape is not None and shape.members:
            problems.append(f"response.{wrapper}: missing")
        problems += [f"response.{name}: unknown" for name in children]
    parse(model, operation_model, answer)


def check_error(model, operation_model, answer, problems):
    status = answer["status"]
    protocol = model.metadata["protocol"]
    if protocol == "json":
        code = json.loads(answer["body"]).get("__type")
    else:
        root = parse_xml(answer["body"])
        expect_tag(root, "Response" if protocol == "ec2" else "ErrorResponse", "response", problems)
        error = root.find("{*}Errors/{*}Error" if protocol == "ec2" else "{*}Error")
        code = None if error is None else error.findtext("{*}Code")
        if error is None or not error.findtext("{*}Message"):
            problems.append("response: no message of an error in its envelope")
    parsed = parse(model, operation_model, answer)
    if not code or parsed.get("Error", {}).get("Code") != code:
        problems.append(f"response: botocore reads the error code {parsed.get('Error', {}).get('Code')}, sent was {code}")
    if protocol == "ec2":
        return  # EC2's model has no errors.
    statuses = COMMON_ERRORS.get(code, set()) | {
        shape.metadata.get("error", {}).get("httpStatusCode", status)
        for shape in operation_model.error_shapes
        if code in (shape.error_code, shape.name)
    }
    if status not in statuses:
        problems.append(f"response: {operation_model.name} does not answer {code} with status {status}")


def parse(model, operation_model, answer):
    response = {"status_code": answer["status"], "headers": answer.get("headers") or {}, "body": answer["body"].encode()}
    return create_parser(model.metadata["protocol"]).parse(response, operation_model.output_shape)


def check_xml(node, shape, path, problems):
    if shape.type_name == "structure":
        check_xml_members(node, shape, path, problems)
    elif shape.type_name == "list":
        element = shape.member.serialization.get("name", "member")
        for index, child in enumerate(node):
            expect_tag(child, element, f"{path}[{index}]", problems)
            check_xml(child, shape.member, f"{path}[{index}]", problems)
    else:
        if len(node) > 0:
            problems.append(f"{path}: expected a value, got elements")
        check_values(scalar(shape, node.text or "", path, problems), shape, path, problems)


def check_xml_members(node, shape, path, problems, known=frozenset()):
    members = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
    seen = set()
    for child in node:
        name = tag(child)
        if name in known:
            continue
        if name not in members:
            problems.append(f"{path}.{name}: unknown")
            continue
        if name in seen:
            problems.append(f"{path}.{name}: stands twice")
        seen.add(name)
        check_xml(child, members[name][1], f"{path}.{name}", problems)
    for wire, (name, _) in members.items():
        if name in shape.required_members and wire not in seen:
            problems.append(f"{path}.{wire}: missing")


def parse_xml(body):
    return ElementTree.fromstring(body.encode())


def tag(node):
    return node.tag.rpartition("}")[2]


def expect_tag(node, name, path, problems):
    if tag(node) != name:
        problems.append(f"{path}: expected the element {name}, got {tag(node)}")


# Values


def scalar(shape, text, path, problems):
    kind = shape.type_name
    try:
        if kind in ("integer", "long"):
            return int(text)
        if kind in ("float", "double"):
            return float(text)
        if kind == "boolean":
            return {"true": True, "false": False}[text]
        if kind == "timestamp":
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", text):
                raise ValueError(text)
            return parse_timestamp(text)
    except (KeyError, ValueError):
        problems.append(f"{path}: expected {kind}, got {text!r}")
        return None
    return text


def check_values(value, shape, path, problems):
    """Enumerations, ranges and patterns, which neither botocore's validator nor its parsers look at."""
    if value is None:
        return
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            check_values(value.get(name), member, f"{path}.{name}", problems)
        return
    if shape.type_name == "list":
        for index, item in enumerate(value):
            check_values(item, shape.member, f"{path}[{index}]", problems)
    size = value if isinstance(value, (int, float)) else len(value) if isinstance(value, (str, list)) else None
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if size is not None and ((least is not None and size < least) or (most is not None and size > most)):
        problems.append(f"{path}: expected {least} to {most}, got {size}")
    words = shape.metadata.get("enum")
    if words and value not in words:
        problems.append(f"{path}: expected one of {words}, got {value!r}")
    pattern = shape.metadata.get("pattern")
    # Java's surrogate pairs; Python has whole characters.
    pattern = pattern and pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
    if pattern and isinstance(value, str) and not re.fullmatch(pattern, value):
        problems.append(f"{path}: expected what matches {pattern}, got {value!r}")


def check_input(service, operation):
    problems = []
    check_params(MODELS[service].operation_model(operation), json.load(sys.stdin), problems)
    json.dump({"problems": problems}, sys.stdout)


def main():
    if sys.argv[1:2] == ["input"]:
        return check_input(*sys.argv[2:])
    if sys.argv[1:] == ["operations"]:
        return json.dump({name: list(model.operation_names) for name, model in MODELS.items()}, sys.stdout)
    counts, problems = Counter(), []
    for number, line in enumerate(sys.stdin, 1):
        exchange = json.loads(line)
        counts[exchange["operation"]] += 1
        try:
            found = check(exchange)
        except Exception as error:  # An exchange that cannot even be read is a wrong one.
            found = [f"{type(error).__name__}: {error}"]
        problems += [f"exchange {number}, {exchange['operation']}: {problem}" for problem in found]
    json.dump({"exchanges": sum(counts.values()), "operations": counts, "problems": problems}, sys.stdout)


main()
