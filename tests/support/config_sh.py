"""A `config.sh` that registers at the fake GitHub and says what the real one says; the files are the simulated runner's.

CONFIG_SH_WAITS: it never asks the server. CONFIG_SH_HANGS: it never ends once the server knows the runner. CONFIG_SH_REMOVE_FAILS: the server refuses to remove.
CONFIG_SH_REMOVE_HANGS: removing never ends, and the server never hears of it.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

FAKE = "@FAKE@"

os.chdir(os.path.dirname(os.path.abspath(__file__)))
args = sys.argv[1:]
if os.geteuid() == 0 and not os.environ.get("RUNNER_ALLOW_RUNASROOT"):
    sys.exit("Must not run with sudo")
token = os.environ["ACTIONS_RUNNER_INPUT_TOKEN"]
assert not any(token in arg for arg in args), "the token stands among the arguments"
with open("config-calls.jsonl", "a") as calls:
    calls.write(json.dumps({"args": args, "kind": token[:1], "env": sorted(os.environ)}) + "\n")


def value(name):
    return args[args.index(name) + 1] if name in args else ""


def post(path, body):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(FAKE + path, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        return 200, json.load(opener.open(request))
    except urllib.error.HTTPError as error:
        return error.code, {}


def refused(status, name):
    if status == 409:
        print("A runner exists with the same name", flush=True)
        sys.exit(f"A runner exists with the same name {name}.")
    print(
        "Http response code: NotFound from 'POST https://api.github.com/actions/runner-registration' (Request Id: 1)",
        file=sys.stderr,
    )
    sys.exit("Response status code does not indicate success: 404 (Not Found).")


def configure():
    name, labels = value("--name"), [label for label in value("--labels").split(",") if label]
    flags = {flag: f"--{flag}" in args for flag in ("ephemeral", "replace")}
    if "CONFIG_SH_WAITS" in os.environ:
        subprocess.call(["sleep", "600"])
    status, answer = post("/sim/register", {"name": name, "labels": labels, "token": token, **flags})
    if status != 200:
        refused(status, name)
    if "CONFIG_SH_HANGS" in os.environ:
        subprocess.call(["sleep", "600"])
    code = subprocess.call(["bin/Runner.Listener", "configure", *args])
    if code != 0:
        sys.exit(code)
    with open(".runner", encoding="utf-8-sig") as file:
        runner = json.load(file)
    runner["agentId"] = answer["id"]
    with open(".runner", "w", encoding="utf-8-sig") as file:
        json.dump(runner, file)
    # The listener comes next.
    post("/sim/listens", {"id": answer["id"]})


def remove():
    if "CONFIG_SH_REMOVE_HANGS" in os.environ:
        subprocess.call(["sleep", "600"])
    with open(".runner", encoding="utf-8-sig") as file:
        # A just-in-time configuration spells it otherwise.
        name = next(value for key, value in json.load(file).items() if key.lower() == "agentname")
    good = "CONFIG_SH_REMOVE_FAILS" not in os.environ
    status, _ = post("/sim/remove", {"name": name, "token": token if good else "wrong"})
    if status != 200:
        print("Failed: Removing runner from the server", file=sys.stderr)
        sys.exit("Response status code does not indicate success: 404 (Not Found).")
    sys.exit(subprocess.call(["bin/Runner.Listener", "remove"]))


remove() if args[:1] == ["remove"] else configure()
