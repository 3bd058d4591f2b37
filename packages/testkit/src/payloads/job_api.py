#!/usr/bin/env python3
"""GitLab's job API, for one runner and a list of jobs. Written from a description of the protocol alone, with nothing but the standard library.

On standard input comes one line of JSON, {"token": runner's token, "jobs": [job, …]}; standard output gives {"url": …} when it listens, {"results": […],
"violations": […], "met": {kind of trouble: how often}} when every job has ended, each on one line. It ends when standard input does. A job, all but name and script optional:

  name, stage, script, afterScript, timeoutSeconds, traceSections
  variables    [{key, value, file?, masked?, raw?, public?}]
  git          {repoUrl, ref, sha, refspecs?, depth?}: without it the strategy is none
  artifacts    [{name?, paths?, exclude?, untracked?, when?, type?, format?, expireIn?}]
  needs        names of jobs whose artifacts it gets; it is not handed out before they have ended
  gone         true: what it needs is announced, and is there no more when it is asked for
  cancel       {"once": text, "how": "gracefully" | "at once"}: when the text is in the trace
  override     laid over the top level of the job's JSON

Besides answering it misbehaves, as servers do, with every eighth job: see Trouble.
"""
import base64, binascii, gzip, io, json, re, secrets, stat, sys, threading, urllib.parse, zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REASONS = ["script_failure", "runner_system_failure", "job_execution_timeout", "unknown_failure", "runner_configuration_error"]
FINAL = ("success", "failed", "canceled")
PARK_SECONDS = 20

lock = threading.Condition()
violations = []
queue_value = secrets.token_hex(16)


def violation(text):
    violations.append(text)


class Trouble:
    """What goes wrong once with a job, by its place in the list."""

    met = {"202": 0, "412": 0, "416": 0, "503": 0, "307": 0, "302": 0}

    def __init__(self, place):
        self.due = {
            "202": place % 8 == 1,  # the first word of the end: come again
            "412": place % 8 == 3,  # at the end all of the trace is gone: send it again
            "416": place % 8 == 5,  # before the second piece half of the trace is gone
            "503": place % 4 == 2,  # the first upload: try again
            "307": place % 4 == 1,  # the first upload: to where it is
        }

    def comes(self, what):
        if not self.due[what]:
            return False
        self.due[what] = False
        self.met[what] += 1
        return True


class Job:
    def __init__(self, place, spec):
        self.id = 7001 + 13 * place
        self.spec = spec
        self.token = "glcbt-" + secrets.token_urlsafe(15)
        self.state = "waiting"  # then offered (two-phase), running, canceling, and an end
        self.trace = bytearray()
        self.uploads = []
        self.reason = self.exit_code = self.last_words = None
        self.trouble = Trouble(place)
        self.gone = False

    @property
    def ended(self):
        return self.state in FINAL

    def status(self):
        return "pending" if self.state in ("waiting", "offered") else self.state

    def archive(self):
        return next((upload for upload in self.uploads if upload["type"] == "archive"), None)

    def json(self, waiting, by_name):
        spec = self.spec
        git = spec.get("git", {})
        seconds = spec.get("timeoutSeconds", 3600)
        plain = {"public": True, "file": False, "masked": False, "raw": False}
        given = [
            {"key": "CI", "value": "true"},
            {"key": "CI_JOB_ID", "value": str(self.id)},
            {"key": "CI_JOB_TOKEN", "value": self.token, "public": False, "masked": True},
            {"key": "CI_JOB_NAME", "value": spec["name"]},
            {"key": "CI_JOB_STAGE", "value": spec.get("stage", "test")},
            {"key": "CI_PROJECT_ID", "value": "42"},
            {"key": "CI_PROJECT_NAME", "value": "project"},
            {"key": "CI_PROJECT_PATH", "value": "group/project"},
            {"key": "CI_COMMIT_REF_NAME", "value": git.get("ref", "main")},
            {"key": "GIT_STRATEGY", "value": "fetch" if git else "none"},
        ]
        steps = [("script", spec["script"], "on_success")]
        if "afterScript" in spec:
            steps.append(("after_script", spec["afterScript"], "always"))
        needed = [by_name[name] for name in spec.get("needs", [])]
        return {
            "id": self.id,
            "token": self.token,
            "allow_git_fetch": True,
            "job_info": {
                "id": self.id, "name": spec["name"], "stage": spec.get("stage", "test"), "pipeline_id": 9, "project_id": 42, "project_name": "project",
                "project_full_path": "group/project", "namespace_id": 3, "root_namespace_id": 3, "organization_id": 1, "instance_id": "i", "instance_uuid": "u",
                "user_id": 5, "scoped_user_id": None, "time_in_queue_seconds": 1.25, "project_jobs_running_on_instance_runners_count": "+Inf", "queue_size": waiting,
                "queue_depth": 1,
            },
            "git_info": {
                "repo_url": git.get("repoUrl", "http://127.0.0.1:9/group/project.git"), "repo_object_format": "sha1", "ref": git.get("ref", "main"),
                "sha": git.get("sha", "0" * 40), "before_sha": "0" * 40, "ref_type": "branch",
                "refspecs": git.get("refspecs", ["+refs/heads/main:refs/remotes/origin/main"]), "depth": git.get("depth", 20), "protected": False,
            },
            "runner_info": {"timeout": seconds, "uuid": "", "runner_session_url": None},
            "variables": [{**plain, **variable} for variable in given + spec.get("variables", [])],
            "steps": [
                {"name": name, "script": script, "timeout": seconds, "when": when, "allow_failure": name == "after_script"} for name, script, when in steps
            ],
            "image": None,
            "services": None,
            "artifacts": [
                {
                    "name": each.get("name", ""), "untracked": each.get("untracked", False), "paths": each.get("paths"), "exclude": each.get("exclude"),
                    "when": each.get("when", ""), "artifact_type": each.get("type", "archive"), "artifact_format": each.get("format", "zip"),
                    "expire_in": each.get("expireIn"),
                }
                for each in spec.get("artifacts", [])
            ] or None,
            "cache": [],
            "credentials": [{"type": "registry", "url": "registry.invalid", "username": "gitlab-ci-token", "password": self.token}],
            "dependencies": [
                {
                    "id": job.id, "token": job.token, "name": job.spec["name"],
                    **({"artifacts_file": {"filename": job.archive()["filename"], "size": len(job.archive()["bytes"])}} if job.archive() else {}),
                }
                for job in needed
            ],
            "features": {
                "trace_sections": spec.get("traceSections", True), "token_mask_prefixes": ["glpat-"], "failure_reasons": REASONS, "tracing": None,
                "a_feature_to_come": {"x": [1]},
            },
            "secrets": None,
            "hooks": None,
            "run": "",
            "a_field_to_come": [None],
            **spec.get("override", {}),
        }


class Api:
    def __init__(self, token, specs):
        self.token = token
        self.jobs = [Job(place, spec) for place, spec in enumerate(specs)]
        self.by_id = {job.id: job for job in self.jobs}
        self.by_name = {job.spec["name"]: job for job in self.jobs}
        self.bucket = None

    def next_job(self):
        for job in self.jobs:
            if job.state == "waiting" and all(self.by_name[name].ended for name in job.spec.get("needs", [])):
                return job
        return None

    def request(self, body):
        global queue_value
        if body.get("token") != self.token:
            violation("a runner token that is not the runner's")
            return 403, {}, {"message": "403 Forbidden"}
        features = (body.get("info") or {}).get("features") or {}
        for name in ("trace_reset", "trace_checksum", "trace_size", "cancelable", "return_exit_code", "masking", "artifacts", "cache"):
            if features.get(name) is not True:
                violation(f"feature {name} is not advertised")
        if body.get("last_update") == queue_value:
            lock.wait_for(lambda: self.next_job() is not None, PARK_SECONDS)
        job = self.next_job()
        if job is None:
            return 204, {"X-GitLab-Last-Update": queue_value}, None
        queue_value = secrets.token_hex(16)
        job.state = "offered" if features.get("two_phase_job_commit") else "running"
        payload = job.json(1, self.by_name)
        if job.spec.get("gone"):
            for name in job.spec.get("needs", []):
                self.by_name[name].gone = True
        return 201, {"X-GitLab-Last-Update": queue_value}, payload

    @staticmethod
    def said(job):
        return {"Job-Status": job.status(), "X-GitLab-Trace-Update-Interval": "1"}

    def late(self, job, what):
        """The job has ended: whoever is told so for the first time is in order."""
        if job.last_words == what or job.state in ("success", "failed"):
            violation(f"{job.spec['name']}: {what} after the end")
        job.last_words = what
        return 403, self.said(job), {"message": "403 Forbidden"}

    def patch(self, job, headers, body):
        if headers.get("JOB-TOKEN") != job.token:
            violation(f"{job.spec['name']}: trace with a token that is not the job's")
            return 403, {}, {"message": "403 Forbidden"}
        if job.ended:
            return self.late(job, "trace")
        if job.state == "offered":
            violation(f"{job.spec['name']}: trace before the job was accepted")
        if not (headers.get("Content-Type") or "").startswith("text/plain"):
            violation(f"{job.spec['name']}: trace as {headers.get('Content-Type')}")
        match = re.fullmatch(r"(\d+)-(\d+)", headers.get("Content-Range") or "")
        if match is None:
            violation(f"{job.spec['name']}: Content-Range {headers.get('Content-Range')}")
            return 400, self.said(job), {"message": "400 Bad request"}
        start, end = int(match[1]), int(match[2])
        if not body or len(body) > 1 << 20 or end - start + 1 != len(body):
            violation(f"{job.spec['name']}: {len(body)} bytes as {match[0]}")
        if start > 0 and job.trouble.comes("416"):
            del job.trace[len(job.trace) // 2 :]
        if start != len(job.trace):
            return 416, {**self.said(job), "Range": f"0-{len(job.trace)}"}, {"message": "416 Range Not Satisfiable"}
        job.trace += body
        cancel = job.spec.get("cancel")
        if cancel and job.state == "running" and cancel["once"].encode() in job.trace:
            job.state = "canceling" if cancel["how"] == "gracefully" else "canceled"
            job.reason = None
            lock.notify_all()
        return 202, {**self.said(job), "Range": f"0-{len(job.trace)}"}, None

    def put(self, job, body):
        if body.get("token") != job.token:
            violation(f"{job.spec['name']}: update with a token that is not the job's")
            return 403, {}, {"message": "403 Forbidden"}
        state = body.get("state")
        if job.ended:
            return self.late(job, f"state {state}")
        if job.state == "offered":
            if state == "running":
                job.state = "running"
            elif state != "pending":
                violation(f"{job.spec['name']}: {state} before the job was accepted")
                return 400, self.said(job), {"message": "400 Bad request"}
            return 200, self.said(job), "200"
        if state == "running":
            return 200, self.said(job), "200"
        if state not in ("success", "failed"):
            violation(f"{job.spec['name']}: state {state}")
            return 400, self.said(job), {"message": "400 Bad request"}
        if job.trouble.comes("412"):
            job.trace.clear()
            return 412, self.said(job), {"message": "412 Precondition Failed"}
        output = body.get("output") or {}
        checksum = f"crc32:{binascii.crc32(bytes(job.trace)):08x}"
        if (output.get("checksum"), output.get("bytesize")) != (checksum, len(job.trace)):
            violation(f"{job.spec['name']}: {output} for a trace of {checksum}, {len(job.trace)} bytes")
            job.trace.clear()
            return 412, self.said(job), {"message": "412 Precondition Failed"}
        if job.trouble.comes("202"):
            return 202, self.said(job), "202"
        reason, code = body.get("failure_reason"), body.get("exit_code")
        if state == "failed" and reason not in REASONS:
            violation(f"{job.spec['name']}: failed because of {reason}")
        if state == "success" and (reason or code):
            violation(f"{job.spec['name']}: success with {reason}, {code}")
        job.state = "canceled" if job.state == "canceling" else state
        job.reason, job.exit_code = reason or None, code or None
        lock.notify_all()
        return 200, {"Job-Status": job.state}, "200"

    def upload(self, job, headers, query, body):
        if headers.get("JOB-TOKEN") != job.token:
            violation(f"{job.spec['name']}: upload with a token that is not the job's")
            return 403, {}, {"message": "403 Forbidden"}
        if job.state not in ("running", "canceling"):
            return self.late(job, "upload")
        if job.trouble.comes("503"):
            return 503, {"Retry-After": "1"}, {"message": "503 Service Unavailable"}
        if job.trouble.comes("307"):
            return 307, {"Location": f"http://{headers['Host']}/api/v4/jobs/{job.id}/artifacts?{urllib.parse.urlencode(query)}"}, None
        boundary = re.fullmatch(r"multipart/form-data; boundary=(\S+)", headers.get("Content-Type") or "")
        part = boundary and re.fullmatch(
            rb"--" + re.escape(boundary[1].encode()) + rb"\r\n(.*?)\r\n\r\n(.*)\r\n--" + re.escape(boundary[1].encode()) + rb"--\r\n", body, re.DOTALL
        )
        name = part and re.search(rb'name="file"; filename="((?:[^"\\]|\\.)*)"', part[1])
        if not name:
            violation(f"{job.spec['name']}: an upload that is no form with one file")
            return 400, {}, {"message": "400 Bad request"}
        kind = query.get("artifact_type") or "archive"
        if any(upload["type"] == kind for upload in job.uploads):
            violation(f"{job.spec['name']}: {kind} twice")
        job.uploads.append({
            "filename": re.sub(r"\\(.)", r"\1", name[1].decode()), "type": kind, "format": query.get("artifact_format", ""),
            "expireIn": query.get("expire_in", ""), "bytes": part[2],
        })
        return 201, {}, {"message": "201 Created"}

    def download(self, job, headers, query):
        if headers.get("JOB-TOKEN") != job.token:
            violation(f"{job.spec['name']}: download with a token that is not the job's")
            return 403, {}, {"message": "403 Forbidden"}
        if job.gone or job.archive() is None:
            return 404, {}, {"message": "404 Not Found"}
        if query.get("direct_download") == "true":
            Trouble.met["302"] += 1
            return 302, {"Location": f"{self.bucket}/{job.id}?X-Amz-Signature=feed"}, None
        return 200, {}, job.archive()["bytes"]

    def answer(self, method, path, query, headers, body):
        if path == "/api/v4/runners/verify" and method == "POST":
            return 200, {}, {"id": 1, "token": self.token, "token_expires_at": None}
        if path == "/api/v4/jobs/request" and method == "POST":
            return self.request(json.loads(body))
        match = re.fullmatch(r"/api/v4/jobs/(\d+)(/trace|/artifacts)?", path)
        job = match and self.by_id.get(int(match[1]))
        if job:
            if method == "PATCH" and match[2] == "/trace":
                return self.patch(job, headers, body)
            if method == "PUT" and match[2] is None:
                return self.put(job, json.loads(body))
            if method == "POST" and match[2] == "/artifacts":
                return self.upload(job, headers, query, body)
            if method == "GET" and match[2] == "/artifacts":
                return self.download(job, headers, query)
        violation(f"{method} {path}")
        return 404, {}, {"message": "404 Not Found"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api = None

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return bytes(body)

    def reply(self, status, headers, content):
        raw = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if status != 204:
            self.send_header("Content-Type", "application/octet-stream" if isinstance(content, bytes) else "application/json")
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if status != 204:
            self.wfile.write(raw)

    def handle_any(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        body = self.body()
        with lock:
            reply = self.api.answer(self.command, url.path, query, self.headers, body)
        self.reply(*reply)

    do_GET = do_POST = do_PUT = do_PATCH = handle_any

    def log_message(self, *_):
        pass


class Bucket(Handler):
    """Where artifacts are, too: another origin, which must see no token."""

    def do_GET(self):
        for name in ("JOB-TOKEN", "RUNNER-TOKEN", "Authorization"):
            if self.headers.get(name):
                violation(f"another origin was shown {name}")
        self.reply(200, {}, self.api.by_id[int(urllib.parse.urlsplit(self.path).path[1:])].archive()["bytes"])


def entries(upload):
    """What the archive holds, as Python reads it: [[path, mode, content or target of a link], …]."""
    if upload["format"] == "zip":
        with zipfile.ZipFile(io.BytesIO(upload["bytes"])) as archive:
            if archive.testzip() is not None:
                violation(f"a damaged zip: {archive.testzip()}")
            return [[item.filename, item.external_attr >> 16, base64.b64encode(archive.read(item)).decode()] for item in archive.infolist()]
    content = gzip.decompress(upload["bytes"]) if upload["format"] == "gzip" else upload["bytes"]
    return [[upload["filename"], stat.S_IFREG | 0o644, base64.b64encode(content).decode()]]


def serve(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def say(value):
    print(json.dumps(value), flush=True)


def main():
    given = json.loads(sys.stdin.readline())
    Handler.api = api = Api(given["token"], given["jobs"])
    api.bucket = serve(Bucket)
    say({"url": serve(Handler)})

    def watch():
        with lock:
            lock.wait_for(lambda: all(job.ended for job in api.jobs))
        say({
            "results": [
                {
                    "name": job.spec["name"], "state": job.state, "failureReason": job.reason, "exitCode": job.exit_code,
                    "trace": base64.b64encode(job.trace).decode(),
                    "uploads": [
                        {**{key: value for key, value in upload.items() if key != "bytes"}, "bytes": base64.b64encode(upload["bytes"]).decode(), "entries": entries(upload)}
                        for upload in job.uploads
                    ],
                }
                for job in api.jobs
            ],
            "violations": violations,
            "met": Trouble.met,
        })

    threading.Thread(target=watch, daemon=True).start()
    sys.stdin.read()
    with lock:
        left = [job for job in api.jobs if not job.ended]
        for job in left[:3]:
            print(f"{job.spec['name']!r} is {job.state} still; its trace ends {bytes(job.trace[-300:])}", file=sys.stderr)


main()
