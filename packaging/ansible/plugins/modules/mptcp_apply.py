#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Brings a host's MPTCP endpoints, limits, sysctls and uplinks to what a configuration declares."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: mptcp_apply
short_description: Bring MPTCP endpoints, limits, sysctls and uplinks to what a configuration declares
version_added: 0.1.0
description:
  - Runs C(mptcp-apply) on the managed host. It reads what the kernel has, computes the smallest safe change, carries
    it out as one transaction and reads the kernel back.
  - A configuration may be given here, be in files on the managed host, or be what is installed there.
  - What this does lasts until the host reboots. The role P(mptcp_apply.mptcp.mptcp_apply#role) also writes the files
    and enables a unit that brings it back.
author:
  - The authors of mptcp-apply (!UNKNOWN)
requirements:
  - C(mptcp-apply) on the managed host
options:
  config:
    description:
      - The configuration, written as in a file; C(version) is part of it.
      - It goes to the program's standard input. No file is made.
      - Excludes O(src).
    type: dict
  src:
    description:
      - Files and folders on the managed host that hold the configuration. Later ones win.
      - Without O(config) and O(src) the installed configuration counts, as C(mptcp-apply) without arguments reads it.
    type: list
    elements: path
  state:
    description:
      - With V(present) the kernel is brought to what is declared.
      - With V(absent) all endpoints are removed. Limits, sysctls and uplinks are left as they are, and O(config) and
        O(src) have no place.
    type: str
    choices: [present, absent]
    default: present
  netns:
    description:
      - Named network namespaces in which to do it, instead of that of the connection. Globs stand for those that match.
    type: list
    elements: str
  rehearse:
    description:
      - Carry the plan out in a throw-away copy of the host, against the real kernel there. Nothing of the host changes,
        so the task never reports a change; it fails where the real thing would.
    type: bool
    default: false
  confirm_with:
    description:
      - A shell command for the managed host that decides whether the change stays. Unless it succeeds within
        O(confirm_timeout), the change is taken back and the task fails.
      - The taking back needs nobody. It also happens when the connection to the host is lost.
      - Check mode does not run it. Excludes O(rehearse), O(netns) and O(wait).
    type: str
  confirm_timeout:
    description:
      - How many seconds O(confirm_with) may take.
    type: int
    default: 120
  wait:
    description:
      - How many seconds to wait for addresses, interfaces and ports that are not there yet. Check mode waits too.
    type: int
  strict:
    description:
      - Let a warning be an error, on which nothing is changed.
    type: bool
    default: false
  executable:
    description:
      - The program, by name or path.
    type: path
    default: mptcp-apply
attributes:
  check_mode:
    description: The plan is made and returned, and nothing is changed.
    support: full
  diff_mode:
    description: The difference between what the kernel has and what is declared, as YAML.
    support: full
  platform:
    description: Linux 6.1 or later.
    support: full
    platforms: linux
notes:
  - Order is meaning under C(endpoints). It is kept.
  - Before ansible-core 2.19, a value that is a template by itself, such as C(id), becomes a string, which is
    refused. A template for the whole of O(config) keeps its types.
  - Where C(mptcp-apply-watch) runs it holds the lock, and this module fails with return code 75. Write the files there,
    as the role does. Check mode works.
"""

EXAMPLES = r"""
- name: Two uplinks, the second one as a backup
  mptcp_apply.mptcp.mptcp_apply:
    config:
      version: 1
      limits:
        subflows: 2
      uplinks:
        fiber:
          dev: eth0
        lte:
          dev: wwan0
      endpoints:
        fiber:
          dev: eth0
          flags: [subflow]
        lte:
          dev: wwan0
          flags: [subflow, backup]

- name: Files on the host, later ones winning
  mptcp_apply.mptcp.mptcp_apply:
    src:
      - /srv/mptcp/site.yaml
      - /srv/mptcp/host.yaml
    wait: 30

- name: What is installed, in every namespace of the web servers
  mptcp_apply.mptcp.mptcp_apply:
    netns: web-*

- name: Keep it only if the gateway still answers
  mptcp_apply.mptcp.mptcp_apply:
    src: /etc/mptcp-apply
    confirm_with: ping -c 3 -W 2 192.0.2.1
    confirm_timeout: 30

- name: No endpoints
  mptcp_apply.mptcp.mptcp_apply:
    state: absent
"""

RETURN = r"""
plans:
  description:
    - What the program says, a document for each network namespace. C(mptcp-apply --format json) prints the same, and
      its manual describes all of it.
    - With O(confirm_with) a second document tells of the taking back.
  returned: when the kernel's state could be read
  type: list
  elements: dict
  contains:
    netns:
      description: The name of the network namespace, or null for that of the connection.
      type: str
      sample: null
    result:
      description: What came of it.
      type: str
      sample: applied
    changed:
      description: Whether there are steps.
      type: bool
      sample: true
    steps:
      description: What was done, or is to be done, in this order.
      type: list
      elements: dict
      sample:
        - op: add-addr
          endpoint: fiber
          address: 192.0.2.10
          port: null
          id: 1
          dev: eth0
          flags: [subflow]
          disruption: none
          why: declared
    warnings:
      description: What is odd, with the place in the file. They are shown as warnings too.
      type: list
      elements: dict
      sample: []
    before:
      description: The state that was found.
      type: dict
      sample: {limits: {subflows: 2, add-addr-accepted: 0}, endpoints: [], sysctls: {}}
    after:
      description: The state afterwards. In check mode that which is declared.
      type: dict
      sample: {limits: {subflows: 2, add-addr-accepted: 0}, endpoints: [], sysctls: {}}
    diff:
      description: The unified diff between the two.
      type: str
      sample: ""
    error:
      description: The step that the kernel refused, and why. Absent when nothing failed.
      type: dict
      sample: {step: 0, errno: EADDRNOTAVAIL, kernel: null, message: "the kernel refused to add 10.0.0.9"}
errors:
  description: All errors, with C(message), C(file), C(line), C(column) and C(help).
  returned: on failure
  type: list
  elements: dict
  sample:
    - code: unknown-flag
      endpoint: null
      message: unknown flag `bakup`
      file: /etc/mptcp-apply/10-edge.yaml
      line: 7
      column: 23
      help: did you mean `backup`?
cmd:
  description: The command.
  returned: always
  type: list
  elements: str
  sample: [/usr/sbin/mptcp-apply, --format, json, --color, never]
rc:
  description: Its return code, as its manual lists them.
  returned: always
  type: int
  sample: 0
stderr:
  description: What it said for people, with the lines of the configuration.
  returned: always
  type: str
  sample: ""
"""

import json

from ansible.module_utils.basic import AnsibleModule

# Where root's programs are; the search path of a connection often lacks them.
FOLDERS = ["/usr/sbin", "/usr/local/sbin"]

NO_ENDPOINTS = {"version": 1, "endpoints": {}}

# What its return codes mean.
HALF_WAY = 3
TAKEN_BACK = 4
INVALID = 78


def documents(output):
    """The JSON documents, one a line; nothing else goes to standard output."""
    return [json.loads(line) for line in output.splitlines() if line.strip()]


def placed(finding):
    """An error or a warning in one line: FILE:LINE:COLUMN: MESSAGE (HELP)."""
    text = finding["message"]
    if finding.get("file"):
        place = [finding["file"], finding.get("line"), finding.get("column")]
        text = ":".join(str(part) for part in place if part is not None) + ": " + text
    if finding.get("help"):
        text += " (" + finding["help"] + ")"
    return text


class Run(object):
    """One run of the program: how it is started, and what its answer means."""

    def __init__(self, module):
        self.module = module
        self.program = module.get_bin_path(module.params["executable"], True, FOLDERS)
        self.paths, self.data = self.inputs()

    def inputs(self):
        """The paths on the command line, and what goes to standard input."""
        params = self.module.params
        config, sources = params["config"], params["src"]
        if params["state"] == "absent":
            if config is not None or sources is not None:
                self.module.fail_json(msg="state=absent takes neither config nor src")
            config = NO_ENDPOINTS
        if config is None:
            return sources or [], None
        # JSON is YAML, and the managed host may have no library for more. A line a value, so that places help.
        return ["-"], json.dumps(config, indent=2, ensure_ascii=False)

    def command(self):
        """The main job, or a trial."""
        params = self.module.params
        verb, options = [], []
        if self.module.check_mode and not params["rehearse"]:
            options.append("--dry-run")
        elif params["rehearse"]:
            options.append("--rehearse")
        elif params["confirm_with"] is not None:
            verb = ["try"]
            options += ["--timeout", str(params["confirm_timeout"]), "--confirm-with", params["confirm_with"]]
        for name in params["netns"] or []:
            options += ["--netns", name]
        if params["wait"] is not None:
            options += ["--wait", str(params["wait"])]
        if params["strict"]:
            options.append("--strict")
        return [self.program] + verb + ["--format", "json", "--color", "never"] + options + ["--"] + self.paths

    def start(self, command):
        """Runs it, with the configuration on its standard input if that is where it comes from."""
        return self.module.run_command(command, data=self.data, binary_data=False)

    def warn(self, plans, stderr):
        """Passes warnings on: those of the documents with their places, and those of no namespace."""
        warnings = [warning for plan in plans for warning in plan["warnings"]]
        for text in unique(placed(warning) for warning in warnings):
            self.module.warn(text)
        told = [warning["message"] for warning in warnings]
        lines = [line[len("warning: "):] for line in stderr.splitlines() if line.startswith("warning: ")]
        for text in unique(line for line in lines if line not in told):
            self.module.warn(text)

    @staticmethod
    def changed(plans, code):
        """Whether the host is another one than before; in check mode, whether it would be."""
        results = [plan["result"] for plan in plans if plan["changed"]]
        if code == HALF_WAY or "rollback-incomplete" in results:
            return True
        return "reverted" not in results and ("applied" in results or "planned" in results)

    def finish(self):
        """Does all of it, and ends the module."""
        command = self.command()
        code, stdout, stderr = self.start(command)
        try:
            plans = documents(stdout)
        except ValueError:
            said = dict(cmd=command, rc=code, stdout=stdout, stderr=stderr)
            self.module.fail_json(msg="this is no answer of mptcp-apply", **said)
        result = dict(changed=self.changed(plans, code), plans=plans, cmd=command, rc=code, stderr=stderr)
        if self.module._diff:
            result["diff"] = [shown(plan) for plan in plans if plan["diff"]]
        self.warn(plans, stderr)
        if code == 0:
            self.module.exit_json(**result)
        errors = unique(error for plan in plans for error in plan.get("errors", []))
        if errors:
            result["errors"] = errors
        if errors and code == INVALID:
            self.module.fail_json(msg="\n".join(placed(error) for error in errors), **result)
        if code == TAKEN_BACK:
            self.module.fail_json(msg=("the change was taken back: confirm_with did not succeed\n" + stderr).strip(), **result)
        self.module.fail_json(msg=stderr.strip() or "mptcp-apply ended with %d" % code, **result)


def unique(texts):
    """Each once, in order: namespaces have most warnings in common."""
    found = []
    for text in texts:
        if text not in found:
            found.append(text)
    return found


def shown(plan):
    """A diff for diff mode, which names the namespace."""
    if plan["netns"] is None:
        return dict(prepared=plan["diff"])
    return dict(prepared="netns %s\n%s" % (plan["netns"], plan["diff"]))


def main():
    """What Ansible starts."""
    module = AnsibleModule(
        argument_spec=dict(
            config=dict(type="dict"),
            src=dict(type="list", elements="path"),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            netns=dict(type="list", elements="str"),
            rehearse=dict(type="bool", default=False),
            confirm_with=dict(type="str"),
            confirm_timeout=dict(type="int", default=120),
            wait=dict(type="int"),
            strict=dict(type="bool", default=False),
            executable=dict(type="path", default="mptcp-apply"),
        ),
        mutually_exclusive=[
            ("config", "src"),
            ("confirm_with", "rehearse"),
            ("confirm_with", "netns"),
            ("confirm_with", "wait"),
        ],
        supports_check_mode=True,
    )
    Run(module).finish()


if __name__ == "__main__":
    main()
