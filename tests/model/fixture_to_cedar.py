#!/usr/bin/env python3
"""Turns a fixture of the sharing model into Cedar's JSON entities: fixture_to_cedar.py FIXTURE.json > entities.json"""

import json
import sys


def uid(kind, name):
    return {"type": kind, "id": name}


def entity(kind, name, attrs, parents=()):
    present = {key: value for key, value in attrs.items() if value is not None}
    return {"uid": uid(kind, name), "attrs": present, "parents": list(parents)}


def organization(row):
    attrs = {key: row.get(key) for key in ("name", "plan", "can_create_sub_orgs", "templates")}
    return entity("Organization", row["id"], attrs, [uid("Organization", row["parent"])] if row["parent"] else [])


def role(row):
    attrs = {"organization": uid("Organization", row["org"]), "name": row["name"]}
    return entity("Role", row["id"], attrs, [uid("Permission", name) for name in row["permissions"]])


def user(row):
    attrs = {"organization": uid("Organization", row["org"]), "status": row["status"], "email": row["email"]}
    return entity("User", row["id"], attrs, [uid("Role", row["role"])])


def device(row):
    attrs = {
        "organization": uid("Organization", row["org"]),
        "owner": uid("User", row["owner"]) if row["owner"] else None,
        "name": row["name"],
        "template": row.get("template"),
    }
    return entity("Device", row["id"], attrs)


def client(row):
    return entity("OAuthClient", row["id"], {"organization": uid("Organization", row["org"])})


def device_token(row):
    return entity("DeviceToken", row["device"], {"device": uid("Device", row["device"])})


TABLES = {
    "orgs": organization,
    "roles": role,
    "users": user,
    "devices": device,
    "oauth_clients": client,
    "device_tokens": device_token,
}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        fixture = json.load(file)
    entities = [convert(row) for table, convert in TABLES.items() for row in fixture.get(table, [])]
    json.dump(entities, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
