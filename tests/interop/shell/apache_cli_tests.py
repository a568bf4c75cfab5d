#!/usr/bin/env python3
"""Runs Apache's own shell tests (testHDFSConf.xml, testAclCLI.xml, … of its test sources) with our program.

    apache_cli_tests.py FILE.xml... [--only TEXT]

HADOOP_CONF_DIR  an empty cluster's configuration: the tests work in the root directory, with replication 1 and the
                 group supergroup, as Hadoop's MiniDFSCluster has them
HDFS             our program (default: build/bin/hdfs)
"""
import getpass
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

HDFS = os.environ.get("HDFS", os.path.join(os.path.dirname(__file__), "../../../build/bin/hdfs"))
PROGRAMS = {"command": "dfs", "dfs-admin-command": "dfsadmin"}
SIZES = {"data15bytes": 1, "data30bytes": 2, "data60bytes": 4, "data120bytes": 8, "data1k": 71}


class Other(Exception):
    """A command of a program that is not ours yet."""


def make_data(folder):
    for name, lines in SIZES.items():
        with open(f"{folder}/{name}", "w", encoding="ascii") as file:
            file.write("12345678901234\n" * lines)


class Runner:
    def __init__(self, folder):
        uri = subprocess.run([HDFS, "getconf", "-confKey", "fs.defaultFS"], capture_output=True, text=True, check=True)
        self.names = {"NAMENODE": uri.stdout.strip(), "CLITEST_DATA": f"file:{folder}", "USERNAME": getpass.getuser(),
                      "#LF#": "\n"}

    def expand(self, text):
        for name, value in self.names.items():
            text = text.replace(name, value)
        return text

    def run(self, element):
        if element.tag not in PROGRAMS:
            raise Other(element.tag)
        words = re.findall(r"'[^']*'|\"[^\"]*\"|[^\"'\s]+", self.expand(element.text or ""))
        words = [word[1:-1] if word[0] in "'\"" and word[-1] == word[0] and len(word) > 1 else word for word in words]
        done = subprocess.run([HDFS, PROGRAMS[element.tag], *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=120, check=False)
        return done.stdout.decode(errors="replace")

    def matches(self, kind, wanted, got):
        wanted = self.expand(wanted)
        if kind == "ExactComparator":
            return got == wanted
        if kind == "ExactLineComparator":
            return wanted in got.split("\n")
        if kind == "SubstringComparator":
            return wanted in got
        if kind == "TokenComparator":
            return all(token in got for token in re.split(r"[,\n\r]", wanted) if token)
        if kind == "RegexpAcrossOutputComparator":
            return re.search(wanted, got) is not None
        return any(re.fullmatch(wanted, line) for line in re.split(r"[\n\r]", got) if line)

    def test(self, test):
        """Returns what does not match."""
        got = ""
        try:
            for command in test.find("test-commands"):
                got = self.run(command)
            wanted = [((c.findtext("type") or "").strip(), c.findtext("expected-output") or "")
                      for c in test.find("comparators")]
            return [f"wanted ({kind}): {text!r:.300}\n#   got: {got!r:.300}"
                    for kind, text in wanted if kind and text and not self.matches(kind, text, got)]
        finally:
            for command in test.find("cleanup-commands") or []:
                self.run(command)


def main():
    files = sys.argv[1:]
    only = ""
    if "--only" in files:
        at = files.index("--only")
        only = files[at + 1]
        del files[at:at + 2]
    count = bad = 0
    with tempfile.TemporaryDirectory() as folder:
        make_data(folder)
        runner = Runner(folder)
        for test in (test for file in files for test in ET.parse(file).getroot().iter("test")):
            text = "".join(test.find("description").itertext()).strip()
            if only not in text:
                continue
            try:
                wrong = runner.test(test)
            except Other as other:
                print(f"ok - {text} # SKIP needs {other}")
                continue
            count += 1
            bad += bool(wrong)
            print(f"{'not ok' if wrong else 'ok'} {count} - {text}")
            for line in wrong:
                print(f"#   {line}")
    print(f"1..{count}\n# {bad} of {count} failed")
    return 1 if bad else 0


sys.exit(main())
