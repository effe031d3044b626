"""A pprof server on 127.0.0.1 of a network namespace of its own, as of a pod, is found from outside.

Also behind a rule that redirects all connections from outside, as those of a service mesh's sidecar.
"""

import json
import re
import subprocess
import urllib.error
import urllib.request

import programs


LOOPBACK = "ip link set lo up"
REDIRECT = """nft add table ip nat
nft 'add chain ip nat prerouting { type nat hook prerouting priority -100 ; }'
nft add rule ip nat prerouting tcp dport 1-65535 redirect to :15006"""


def in_pod(set_up, *command):
    return ("unshare", "--net", "sh", "-e", "-c", set_up + '\nexec "$0" "$@"', *command)


def doctor(pid):
    output = subprocess.run([programs.PILOTLIGHT, "doctor", "--pid", str(pid), "-o", "json"], check=True,
                            capture_output=True, text=True).stdout
    return json.loads(output)["programs"][0]


def reachable(url):
    try:
        urllib.request.urlopen(url, timeout=2).close()
        return True
    except (urllib.error.URLError, OSError):
        return False


def main():
    path = programs.build_go("classes", "1.26.8")
    for set_up in (LOOPBACK, LOOPBACK + "\n" + REDIRECT):
        with programs.Workload(*in_pod(set_up, path, "timer")) as load:
            address = re.fullmatch(r"http://(\S+)", load.url).group(1)
            assert not reachable(load.url), "the pod is not one"
            report = doctor(load.pid)
            assert report["pprof"] == address, report
            assert not report["advice"], report
            print(f"found at {address} of the pod", flush=True)
    with programs.Workload(programs.build_go("blockers", "1.26.8"), "timer") as load:
        report = doctor(load.pid)
        assert report["pprof"] == "" and not report["advice"], report


if __name__ == "__main__":
    main()
