#!/usr/bin/env python3
"""Compares two images as `oiv -p XML` shows them, field by field, and says what differs.

    image_compare.py OURS.xml THEIRS.xml [--since MS] [--same-log]

Inodes are matched by id, references by what they refer to, everything else by its place. What may differ, and is not compared:
  namespaceId             drawn at format (not with --same-log)
  txid                    when a namenode rolls its journal is its own affair (not with --same-log)
  mtime, atime, ...       from MS on: each run has its own clock; times before MS were set by a client and are compared
  expiration              of cache directives likewise; "never" is counted from the moment of the call
  order                   of inodes, directories, files under construction, attributes, references: no reader relies on it
  count of 0              in SnapshotDiffSection: a directory that may have differences and has none
  onDiskVersion, oivRevision, layoutVersion of the XML's head
"""
import sys
import xml.etree.ElementTree as tree

TIMES = {"mtime", "atime", "modificationTime", "accessTime", "expiration", "millis", "startTime", "expiryDate"}
UNORDERED = {"INodeSection", "INodeDirectorySection", "FileUnderConstructionSection", "xattrs", "SnapshotSection", "snapshottableDir",
             "SecretManagerSection", "ErasureCodingSection", "SnapshotDiffSection", "typeQuota"}
SKIPPED_SECTIONS = {"version", "INodeReferenceSection"}


class Reader:
    def __init__(self, path, since, same_log):
        self.root = tree.parse(path).getroot()
        self.since, self.same_log = since, same_log
        section = self.root.find("INodeReferenceSection")
        self.references = [] if section is None else [self.leafs(r) for r in section if r.tag == "ref"]

    @staticmethod
    def leafs(element):
        return ",".join("%s=%s" % (e.tag, e.text) for e in sorted(element, key=lambda e: e.tag))

    def value(self, element):
        text = (element.text or "").strip()
        if element.tag in TIMES and text.lstrip("-").isdigit():
            if int(text) > 1 << 60:
                return "never"
            if self.since is not None and int(text) >= self.since:
                return "now"
        if element.tag in ("refChild", "deletedInoderef") and text.isdigit() and int(text) < len(self.references):
            return self.references[int(text)]
        if element.tag in ("namespaceId", "txid", "clientName") and not self.same_log:
            return "*"
        return text

    def key(self, element):
        if element.tag == "snapshottableDir":
            return element.tag
        for name in ("id", "inodeId", "inodeid", "parent", "dir", "snapshotId", "name", "ns"):
            found = element.find(name)
            if found is not None:
                return "%s %s=%s" % (element.tag, name, found.text)
        return "%s %s" % (element.tag, self.value(element))

    def flat(self, element, path, out):
        """One entry for each leaf: its path, made of keys, and its value."""
        counts = {}
        children = list(element)
        for child in children:
            if path == "" and child.tag in SKIPPED_SECTIONS:
                continue
            if child.tag == "dirDiffEntry" and child.findtext("count") == "0":
                continue
            # A leaf of a repeated tag is known by its place, or by its value where there is no order.
            if len(child) == 0 and not any(c is not child and c.tag == child.tag for c in children):
                label = child.tag
            elif element.tag in UNORDERED or child.tag in ("refChild", "deletedInoderef"):
                label = self.key(child)
            else:
                label = child.tag
            counts[label] = counts.get(label, 0) + 1
            where = "%s/%s" % (path, label) + ("" if counts[label] == 1 else "[%d]" % counts[label])
            if len(child):
                self.flat(child, where, out)
            else:
                out[where] = self.value(child)


def main():
    words = sys.argv[1:]
    same_log = "--same-log" in words
    since = int(words[words.index("--since") + 1]) if "--since" in words else None
    flat = []
    for path in words[:2]:
        reader, out = Reader(path, since, same_log), {}
        reader.flat(reader.root, "", out)
        flat.append(out)
    ours, theirs = flat
    if len(ours) < 10 or len(theirs) < 10:
        print("too little to compare")
        return 2
    different = 0
    for where in sorted(set(ours) | set(theirs)):
        if ours.get(where) != theirs.get(where):
            different += 1
            if different <= 60:
                print("%s\n    ours   %s\n    theirs %s" % (where, ours.get(where), theirs.get(where)))
    print("%d fields compared, %d differ" % (len(set(ours) | set(theirs)), different))
    return 1 if different else 0


sys.exit(main())
