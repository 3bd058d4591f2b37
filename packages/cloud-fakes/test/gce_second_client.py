"""Another client than the plugin's: Google's own for Python, against the fake. Prints what it saw."""

import json
import sys
import time
import uuid

from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

url, scope = sys.argv[1:]
compute = build(
    "compute",
    "v1",
    credentials=Credentials(token="any"),
    client_options={"api_endpoint": f"{url}/compute/v1/"},
    static_discovery=True,
    cache_discovery=False,
)
zonal = scope == "zone"
where = {"project": "fleet-project", **({"zone": "europe-west1-b"} if zonal else {"region": "europe-west1"})}
group = {**where, "instanceGroupManager": "runners"}
groups = compute.instanceGroupManagers() if zonal else compute.regionInstanceGroupManagers()
operations = compute.zoneOperations() if zonal else compute.regionOperations()


def target_size():
    return groups.get(**group).execute()["targetSize"]


def rows(**query):
    return groups.listManagedInstances(**group, **query).execute()


def until(holds):
    for _ in range(200):
        found = rows()["managedInstances"]
        if holds(found):
            return found
        time.sleep(0.02)
    raise SystemExit("waited in vain")


def status_of(request):
    try:
        request.execute()
        return 200
    except HttpError as error:
        return error.resp.status


def zone_and_name(row):
    parts = row["instance"].split("/")
    return {"project": "fleet-project", "zone": parts[-3], "instance": parts[-1]}


sizes = [target_size()]
names = [f"second-{index}" for index in range(3)]
body = {"instances": [{"name": name, "preservedState": {"metadata": {"ssh-keys": "u:key"}}} for name in names]}
request_id = str(uuid.uuid4())
first = groups.createInstances(**group, body=body, requestId=request_id).execute()
second = groups.createInstances(**group, body=body, requestId=request_id).execute()
operations.wait(**where, operation=first["name"]).execute()
assert operations.get(**where, operation=first["name"]).execute()["status"] == "DONE"
running = until(lambda found: all(row.get("instanceStatus") == "RUNNING" for row in found))
sizes.append(target_size())

page = rows(maxResults=2)
rest = rows(maxResults=2, pageToken=page["nextPageToken"])
place = zone_and_name(running[1])
filtered = compute.instances().list(project="fleet-project", zone=place["zone"], filter='name eq "second-1"').execute()

instance = compute.instances().get(**place).execute()
metadata = instance["metadata"]
change = {"fingerprint": metadata["fingerprint"], "items": metadata["items"] + [{"key": "added", "value": "1"}]}
compute.instances().setMetadata(**place, body=change).execute()
stale = status_of(compute.instances().setMetadata(**place, body=change))
keys = [item["key"] for item in compute.instances().get(**place).execute()["metadata"]["items"]]
attributes = compute.instances().getGuestAttributes(**place, queryPath="hostkeys/").execute()

configs = groups.listPerInstanceConfigs(**group).execute()["items"]
errors = groups.listErrors(**group).execute().get("items", [])
project = compute.projects().get(project="fleet-project").execute()
template = groups.get(**group).execute()["instanceTemplate"].split("/")[-1]
properties = compute.instanceTemplates().get(project="fleet-project", instanceTemplate=template).execute()["properties"]

again = status_of(groups.createInstances(**group, body=body, requestId=str(uuid.uuid4())))
unknown = status_of(groups.get(**where, instanceGroupManager="others"))
zone_url = "zones/" + place["zone"] + "/instances/"
not_member = status_of(groups.deleteInstances(**group, body={"instances": [zone_url + "nobody"]}))
doomed = [row["instance"].partition("projects/fleet-project/")[2] for row in running[:2]]
deletion = {"instances": [*doomed, zone_url + "nobody"], "skipInstancesOnValidationError": True}
groups.deleteInstances(**group, body=deletion).execute()
sizes.append(target_size())
left = until(lambda found: len(found) == 1)
groups.resize(**group, size=2).execute()
sizes.append(target_size())

print(
    json.dumps(
        {
            "created": [row["name"] for row in running],
            "statuses": [row["instanceStatus"] for row in running],
            "sameOperation": first["name"] == second["name"],
            "sizes": sizes,
            "pages": [len(page["managedInstances"]), len(rest["managedInstances"])],
            "filtered": [item["name"] for item in filtered["items"]],
            "left": [row["name"] for row in left],
            "refusals": {"again": again, "unknown": unknown, "staleFingerprint": stale, "notMember": not_member},
            "hostKey": attributes["queryValue"]["items"][0]["value"],
            "keys": keys,
            "configs": [config["name"] for config in configs],
            "errors": errors,
            "project": project["name"],
            "template": sorted(item["key"] for item in properties["metadata"]["items"]),
        }
    )
)
